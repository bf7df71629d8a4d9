// The registry of reference cells: one declaration and one line each.
#include "reference/cell.h"

namespace timernn::test {

extern const ReferenceCell reference_projection;
extern const ReferenceCell reference_rnn;
extern const ReferenceCell reference_rnn_relu;
extern const ReferenceCell reference_lstm;
extern const ReferenceCell reference_gru;
extern const ReferenceCell reference_gru_reset_before;

namespace {
constexpr const ReferenceCell* kReferences[] = {
    &reference_rnn, &reference_rnn_relu,         &reference_lstm,
    &reference_gru, &reference_gru_reset_before, &reference_projection};
}

const ReferenceCell* find_reference(const std::string& name) {
  for (const ReferenceCell* reference : kReferences) {
    if (name == reference->name) return reference;
  }
  return nullptr;
}

}  // namespace timernn::test
