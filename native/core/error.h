// The one exception type of the native core: a stable code and a sentence. The binding turns it into a
// JavaScript error with the same code. Refuses to do: recovery; whoever catches decides.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace timernn {

class Error : public std::runtime_error {
 public:
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace timernn
