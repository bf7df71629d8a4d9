// One pass of an optimiser over a range, the average's, and dropout's passes over activations; included by
// kernels.inl. Plain loops: the compiler makes vectors of them with the set's flags, and every element's
// operations are the same wherever a range starts. Square roots and divisions included, they run at the speed
// of memory.

// The gradient after both kinds of clipping.
inline float clipped(float g, const UpdateStep& s) {
  const float scaled = g * s.clip_scale;
  const float above = scaled < -s.clip_value ? -s.clip_value : scaled;
  return above > s.clip_value ? s.clip_value : above;
}

void update_sgd(const UpdateStep& s) {
  float* __restrict p = s.params;
  const float* __restrict g = s.grads;
  const float decay = s.decay, rate = s.rate;
  for (std::size_t i = 0; i < s.n; ++i) p[i] -= decay * p[i] + rate * clipped(g[i], s);
}

// v ← μ·v + g, then p ← p − η·v, or with Nesterov's look ahead p ← p − η·(g + μ·v).
template <bool nesterov>
void update_momentum(const UpdateStep& s) {
  float* __restrict p = s.params, * __restrict v = s.slots[0];
  const float* __restrict grads = s.grads;
  const float decay = s.decay, rate = s.rate, mu = s.a;
  for (std::size_t i = 0; i < s.n; ++i) {
    const float g = clipped(grads[i], s), moved = mu * v[i] + g;
    v[i] = moved;
    p[i] -= decay * p[i] + rate * (nesterov ? g + mu * moved : moved);
  }
}

// q ← a·q + b·g²; p ← p − η·g / (√q + ε): RMSprop, and AdaGrad with a = b = 1.
void update_scaled(const UpdateStep& s) {
  float* __restrict p = s.params, * __restrict q = s.slots[0];
  const float* __restrict grads = s.grads;
  const float decay = s.decay, rate = s.rate, a = s.a, b = s.b, epsilon = s.epsilon;
  for (std::size_t i = 0; i < s.n; ++i) {
    const float g = clipped(grads[i], s), square = a * q[i] + b * (g * g);
    q[i] = square;
    p[i] -= decay * p[i] + rate * (g / (__builtin_sqrtf(square) + epsilon));
  }
}

// m ← β₁·m + (1−β₁)·g; v ← β₂·v + (1−β₂)·g²; p ← p − rate · m / (√v · d + ε), the corrections of the bias in
// rate and d.
void update_adam(const UpdateStep& s) {
  float* __restrict p = s.params, * __restrict m = s.slots[0], * __restrict v = s.slots[1];
  const float* __restrict grads = s.grads;
  const float decay = s.decay, rate = s.rate, one_less_a = s.a, b = s.b, one_less_b = s.c, correction = s.d;
  const float epsilon = s.epsilon;
  for (std::size_t i = 0; i < s.n; ++i) {
    const float g = clipped(grads[i], s);
    const float mean = m[i] + one_less_a * (g - m[i]), square = b * v[i] + one_less_b * (g * g);
    m[i] = mean;
    v[i] = square;
    p[i] -= decay * p[i] + rate * (mean / (__builtin_sqrtf(square) * correction + epsilon));
  }
}

// x ← x + a·(p − x). With a = 1 this is p, not x + (p − x), which rounds.
void average(float* __restrict x, const float* __restrict p, float a, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) x[i] = a == 1.0f ? p[i] : x[i] + a * (p[i] - x[i]);
}

void dropout_forward(float* out, const float* in, const std::uint8_t* keep, float scale, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = keep[i] != 0 ? in[i] * scale : 0.0f;
}

void dropout_backward(const DropoutBackward& b) {
  float* __restrict d = b.d;
  const std::uint8_t* __restrict keep = b.keep;
  const float* __restrict h = b.h;
  const float scale = b.scale, activation = b.activation;
  if (b.h == nullptr) {
    for (std::size_t i = 0; i < b.n; ++i) d[i] = keep[i] != 0 ? d[i] * scale : 0.0f;
    return;
  }
  // What dropped out takes no part in the activation penalty; what stayed was multiplied with scale.
  const float inside = activation * scale * scale, temporal = b.temporal;
  const float *before = b.before == nullptr ? b.h : b.before, *after = b.after == nullptr ? b.h : b.after;
  for (std::size_t i = 0; i < b.n; ++i) {
    const float through = keep == nullptr || keep[i] != 0 ? d[i] * scale + inside * h[i] : 0.0f;
    d[i] = through + temporal * ((h[i] - before[i]) + (h[i] - after[i]));
  }
}
