// The elementwise parts of the cells: all rows of one time step while they are in cache; included by
// kernels.inl. The equations stand in cells/<cell>.cpp, the shapes in kernels.h. Refuses to do: matrix
// products.

// 1 / (1 + exp(−x)). The exponent is capped at 87, so that the result is never zero or subnormal; a NaN stays
// one.
inline Vf vsigmoid(Vf x) {
  const Vf y = -x;
  return 1.0f / (1.0f + vexp(y > splat(87.0f) ? splat(87.0f) : y));
}

void sigmoid_inplace(float* x, std::size_t n) {
  map(x, n, vsigmoid);
}
void relu_inplace(float* x, std::size_t n) {
  map(x, n, [](Vf v) { return v < splat(0.0f) ? splat(0.0f) : v; });  // in this order a NaN stays one
}

// A vector of kLanes floats at some offset into the rows, or the rest of a row.
struct Whole {
  std::size_t i;
  Vf get(const float* p) const { return load(p + i); }
  void put(float* p, Vf v) const { store(p + i, v); }
};
struct Rest {
  std::size_t i, n;
  Vf get(const float* p) const { return load_part(p + i, n, 0.0f); }
  void put(float* p, Vf v) const { store_part(p + i, v, n); }
};
template <typename F>
inline __attribute__((always_inline)) void along(std::size_t n, F f) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(Whole{i});
  if (i < n) f(Rest{i, n - i});
}

void relu_backward(float* dt, const float* dh, const float* h, std::size_t n) {
  along(n, [=](auto at) {
    const Vf d = at.get(dt) + at.get(dh);
    at.put(dt, at.get(h) > splat(0.0f) ? d : splat(0.0f));
  });
}

void lstm_forward(const LstmStep& s) {
  const std::size_t H = s.H;
  for (std::size_t r = 0; r < s.n; ++r) {
    float *i = s.gates + r * 4 * H, *f = i + H, *g = f + H, *o = g + H;
    float *c = s.c + r * H, *h = s.h + r * H;
    const float* c_prev = s.c_prev + r * H;
    along(H, [=](auto at) {
      const Vf vi = vsigmoid(at.get(i)), vf = vsigmoid(at.get(f)), vg = vtanh(at.get(g)),
               vo = vsigmoid(at.get(o));
      const Vf vc = vf * at.get(c_prev) + vi * vg;
      at.put(i, vi);
      at.put(f, vf);
      at.put(g, vg);
      at.put(o, vo);
      at.put(c, vc);
      at.put(h, vo * vtanh(vc));
    });
  }
}

void lstm_backward(const LstmStepBackward& s) {
  const std::size_t H = s.H;
  for (std::size_t r = 0; r < s.n; ++r) {
    float *i = s.gates + r * 4 * H, *f = i + H, *g = f + H, *o = g + H;
    float* dc = s.dc + r * H;
    const float *dh = s.dh + r * H, *dhs = s.dhs + r * H, *c = s.c + r * H, *c_prev = s.c_prev + r * H;
    along(H, [=](auto at) {
      const Vf vi = at.get(i), vf = at.get(f), vg = at.get(g), vo = at.get(o);
      const Vf t = vtanh(at.get(c)), d = at.get(dh) + at.get(dhs);
      const Vf dct = at.get(dc) + d * vo * (1.0f - t * t);
      at.put(i, dct * vg * (vi * (1.0f - vi)));
      at.put(f, dct * at.get(c_prev) * (vf * (1.0f - vf)));
      at.put(g, dct * vi * (1.0f - vg * vg));
      at.put(o, d * t * (vo * (1.0f - vo)));
      at.put(dc, dct * vf);
    });
  }
}

void gru_forward(const GruStep& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *r = s.gates + row * 3 * H, *z = r + H, *n = z + H;
    float *pr = s.product + row * 3 * H, *pz = pr + H, *pn = pz + H, *h = s.h + row * H;
    const float *h_prev = s.h_prev + row * H, *bn = s.bn;
    along(H, [=](auto at) {
      const Vf vr = vsigmoid(at.get(r) + at.get(pr)), vz = vsigmoid(at.get(z) + at.get(pz));
      const Vf u = at.get(pn) + at.get(bn), vn = vtanh(at.get(n) + vr * u);
      at.put(r, vr);
      at.put(z, vz);
      at.put(n, vn);
      at.put(pn, u);
      at.put(h, vn + vz * (at.get(h_prev) - vn));
    });
  }
}

void gru_backward(const GruStepBackward& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *r = s.gates + row * 3 * H, *z = r + H, *n = z + H;
    float *pr = s.product + row * 3 * H, *pz = pr + H, *pn = pz + H, *dh = s.dh + row * H;
    const float *dhs = s.dhs + row * H, *h_prev = s.h_prev + row * H;
    along(H, [=](auto at) {
      const Vf vr = at.get(r), vz = at.get(z), vn = at.get(n), d = at.get(dh) + at.get(dhs);
      const Vf dz = d * (at.get(h_prev) - vn) * (vz * (1.0f - vz));
      const Vf dn = d * (1.0f - vz) * (1.0f - vn * vn);
      const Vf dr = dn * at.get(pn) * (vr * (1.0f - vr));
      at.put(r, dr);
      at.put(z, dz);
      at.put(n, dn);
      at.put(pr, dr);
      at.put(pz, dz);
      at.put(pn, dn * vr);
      at.put(dh, d * vz);
    });
  }
}

void gru_reset(const GruStep& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *r = s.gates + row * 3 * H, *z = r + H, *rh = s.product + row * H;
    const float* h_prev = s.h_prev + row * H;
    along(H, [=](auto at) {
      const Vf vr = vsigmoid(at.get(r));
      at.put(r, vr);
      at.put(z, vsigmoid(at.get(z)));
      at.put(rh, vr * at.get(h_prev));
    });
  }
}

void gru_output(const GruStep& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *z = s.gates + row * 3 * H + H, *n = z + H, *h = s.h + row * H;
    const float* h_prev = s.h_prev + row * H;
    along(H, [=](auto at) {
      const Vf vn = vtanh(at.get(n));
      at.put(n, vn);
      at.put(h, vn + at.get(z) * (at.get(h_prev) - vn));
    });
  }
}

void gru_output_backward(const GruStepBackward& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *z = s.gates + row * 3 * H + H, *n = z + H, *dh = s.dh + row * H;
    const float *dhs = s.dhs + row * H, *h_prev = s.h_prev + row * H;
    along(H, [=](auto at) {
      const Vf vz = at.get(z), vn = at.get(n), d = at.get(dh) + at.get(dhs);
      at.put(z, d * (at.get(h_prev) - vn) * (vz * (1.0f - vz)));
      at.put(n, d * (1.0f - vz) * (1.0f - vn * vn));
      at.put(dh, d * vz);
    });
  }
}

void gru_reset_backward(const GruStepBackward& s) {
  const std::size_t H = s.H;
  for (std::size_t row = 0; row < s.n; ++row) {
    float *r = s.gates + row * 3 * H, *dh = s.dh + row * H;
    const float *drh = s.product + row * H, *h_prev = s.h_prev + row * H;
    along(H, [=](auto at) {
      const Vf vr = at.get(r), d = at.get(drh);
      at.put(r, d * at.get(h_prev) * (vr * (1.0f - vr)));
      at.put(dh, at.get(dh) + d * vr);
    });
  }
}
