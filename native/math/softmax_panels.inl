// Softmax cross-entropy over logits in panels; included by kernels.inl. Passes go panel by panel, which is
// the order in memory, and keep one vector of running values a row in L1.

inline float top_lane(Vf v) {
  float top = v[0];
  for (std::size_t l = 1; l < kLanes; ++l) top = v[l] > top ? v[l] : top;
  return top;
}

// The last panel's columns beyond n hold zeros from the packed weights: they must not count.
inline void hide_padding(const SoftmaxPanels& g) {
  const std::size_t used = g.n % kPanel;
  if (used == 0) return;
  float* x = g.x + g.n / kPanel * g.rows * kPanel;
  for (std::size_t r = 0; r < g.rows; ++r) {
    for (std::size_t c = used; c < kPanel; ++c) x[r * kPanel + c] = -1e30f;
  }
}

void panel_maxima(const SoftmaxPanels& g, float* maxima) {
  const std::size_t panels = (g.n + kPanel - 1) / kPanel;
  for (std::size_t r = 0; r < g.rows; ++r) store(maxima + r * kLanes, splat(-3.402823466e+38f));
  const float* x = g.x;
  for (std::size_t p = 0; p < panels; ++p) {
    for (std::size_t r = 0; r < g.rows; ++r, x += kPanel) {
      const Vf m = load(maxima + r * kLanes);
      store(maxima + r * kLanes, max(max(load(x), load(x + kLanes)), m));
    }
  }
  for (std::size_t r = 0; r < g.rows; ++r)
    store(maxima + r * kLanes, splat(top_lane(load(maxima + r * kLanes))));
}

double softmax_panels(const SoftmaxPanels& g) {
  const std::size_t panels = (g.n + kPanel - 1) / kPanel;
  float *maxima = g.scratch, *sums = g.scratch + g.rows * kPanel;
  hide_padding(g);
  panel_maxima(g, maxima);
  double loss = 0.0;
  const auto at = [&g](std::size_t r) {
    return g.x + (g.targets[r] / kPanel * g.rows + r) * kPanel + g.targets[r] % kPanel;
  };
  for (std::size_t r = 0; r < g.rows; ++r) {
    loss += static_cast<double>(maxima[r * kLanes]) - static_cast<double>(*at(r));
    store(sums + r * kPanel, Vf{});
    store(sums + r * kPanel + kLanes, Vf{});
  }
  float* x = g.x;
  for (std::size_t p = 0; p < panels; ++p) {
    for (std::size_t r = 0; r < g.rows; ++r, x += kPanel) {
      const Vf m = load(maxima + r * kLanes);
      const Vf a = vexp(load(x) - m), b = vexp(load(x + kLanes) - m);
      store(x, a);
      store(x + kLanes, b);
      float* s = sums + r * kPanel;
      store(s, load(s) + a);
      store(s + kLanes, load(s + kLanes) + b);
    }
  }
  for (std::size_t r = 0; r < g.rows; ++r) {
    const double sum = lane_sum(load(sums + r * kPanel)) + lane_sum(load(sums + r * kPanel + kLanes));
    loss += __builtin_log(sum);
    g.inverse[r] = static_cast<float>(1.0 / sum);
    if (g.gradient) *at(r) -= static_cast<float>(sum);
  }
  return loss;
}
