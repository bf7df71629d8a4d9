// The softmax of a few panels of logits while they are in cache; included by kernels.inl. Row by row: the
// greatest logit, then the exponentials, which find the row in L1.

inline float top_lane(Vf v) {
  float top = v[0];
  for (std::size_t l = 1; l < kLanes; ++l) top = v[l] > top ? v[l] : top;
  return top;
}

// The last panel's columns beyond n hold zeros from the packed weights: they must not count.
inline void hide_padding(const SoftmaxChunk& g) {
  const std::size_t used = g.n % kPanel;
  if (used == 0) return;
  float* x = g.x + g.n / kPanel * g.rows * kPanel;
  for (std::size_t r = 0; r < g.rows; ++r) {
    for (std::size_t c = used; c < kPanel; ++c) x[r * kPanel + c] = -3.402823466e+38f;
  }
}

// exp(40) is still far from the largest float, and far enough from 1 that rows are hardly ever scaled.
constexpr float kHeadroom = 40.0f;

bool softmax_chunk(const SoftmaxChunk& g) {
  const std::size_t panels = (g.n + kPanel - 1) / kPanel, stride = g.rows * kPanel;
  hide_padding(g);
  bool moved = false;
  for (std::size_t r = 0; r < g.rows; ++r) {
    float *x = g.x + r * kPanel, *s = g.sums + r * kPanel;
    Vf top = splat(-3.402823466e+38f), other = top;
    for (std::size_t p = 0; p < panels; ++p) {
      top = max(load(x + p * stride), top);
      other = max(load(x + p * stride + kLanes), other);
    }
    const float greatest = top_lane(max(top, other));
    Vf a{}, b{};
    g.factor[r] = 1.0f;
    if (g.first) {
      g.reference[r] = greatest;
    } else {
      a = load(s);
      b = load(s + kLanes);
      if (greatest > g.reference[r] + kHeadroom) {
        const float factor = static_cast<float>(
            __builtin_exp(static_cast<double>(g.reference[r]) - static_cast<double>(greatest)));
        g.factor[r] = factor;
        g.reference[r] = greatest;
        a *= factor;
        b *= factor;
        moved = true;
      }
    }
    const float reference = g.reference[r];
    for (std::size_t p = 0; p < panels; ++p) {
      float* at = x + p * stride;
      const Vf u = vexp(load(at) - reference), v = vexp(load(at + kLanes) - reference);
      store(at, u);
      store(at + kLanes, v);
      a += u;
      b += v;
    }
    store(s, a);
    store(s + kLanes, b);
  }
  return moved;
}
