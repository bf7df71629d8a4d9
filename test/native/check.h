// A test framework of one page: TEST registers a function, CHECK_* count and print file, line and both
// values. Checks may be made from any thread. Refuses to do: stopping at the first failure.
#pragma once

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"

namespace timernn::test {

struct Case {
  const char* name;
  void (*body)();
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}
inline std::atomic<long>& checks() {
  static std::atomic<long> count{0};
  return count;
}
inline std::atomic<long>& failures() {
  static std::atomic<long> count{0};
  return count;
}

struct Register {
  Register(const char* name, void (*body)()) { cases().push_back({name, body}); }
};

inline bool report(bool good, const char* file, int line, const std::string& message) {
  ++checks();
  if (good) return true;
  // The first failures say what is wrong; ten thousand more of the same would hide them.
  if (++failures() <= 50) std::fprintf(stderr, "%s:%d: %s\n", file, line, message.c_str());
  return false;
}

template <typename A, typename B>
std::string compared(const char* expression, const A& a, const char* relation, const B& b) {
  std::ostringstream out;
  out.precision(9);
  out << "Expected " << expression << " " << relation << " " << b << ", got " << a;
  return out.str();
}

/// The code of the timernn::Error that `f` throws; "nothing" or "something else" where it throws none.
template <typename F>
std::string thrown_code(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.code();
  } catch (...) {
    return "something else";
  }
  return "nothing";
}

inline int run_all() {
  for (const Case& test : cases()) {
    const long before = failures();
    try {
      test.body();
    } catch (const std::exception& e) {
      report(false, test.name, 0, std::string("Expected no exception, got: ") + e.what());
    }
    std::printf("%s %s\n", failures() == before ? "ok  " : "FAIL", test.name);
  }
  std::printf("%ld checks passed, %ld failed\n", checks() - failures(), failures().load());
  return failures() == 0 && checks() > 0 ? 0 : 1;
}

}  // namespace timernn::test

#define TIMERNN_JOIN2(a, b) a##b
#define TIMERNN_JOIN(a, b) TIMERNN_JOIN2(a, b)
#define TEST(name)                                                            \
  static void TIMERNN_JOIN(test_body_, __LINE__)();                           \
  static const ::timernn::test::Register TIMERNN_JOIN(test_entry_, __LINE__){ \
      name, &TIMERNN_JOIN(test_body_, __LINE__)};                             \
  static void TIMERNN_JOIN(test_body_, __LINE__)()

#define CHECK(condition) \
  ::timernn::test::report(static_cast<bool>(condition), __FILE__, __LINE__, "Expected " #condition)
#define CHECK_COMPARE(a, op, b)                                                 \
  [&](const auto& a_, const auto& b_) {                                         \
    return ::timernn::test::report(a_ op b_, __FILE__, __LINE__,                \
                                   ::timernn::test::compared(#a, a_, #op, b_)); \
  }((a), (b))
#define CHECK_EQ(a, b) CHECK_COMPARE(a, ==, b)
#define CHECK_NE(a, b) CHECK_COMPARE(a, !=, b)
#define CHECK_LE(a, b) CHECK_COMPARE(a, <=, b)
#define CHECK_LT(a, b) CHECK_COMPARE(a, <, b)
#define CHECK_GT(a, b) CHECK_COMPARE(a, >, b)
/// |a − b| ≤ tolerance; a NaN on either side fails.
#define CHECK_NEAR(a, b, tolerance) \
  CHECK_LE(std::fabs(static_cast<double>(a) - static_cast<double>(b)), tolerance)
#define CHECK_CODE(statement, expected) \
  CHECK_EQ(::timernn::test::thrown_code([&] { statement; }), std::string(expected))
