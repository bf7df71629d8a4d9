// The registry of cells: one declaration and one line each.
#include "cell.h"

namespace timernn {

extern const Cell rnn_cell;
extern const Cell rnn_relu_cell;
extern const Cell lstm_cell;
extern const Cell gru_cell;
extern const Cell gru_reset_before_cell;

namespace {
constexpr const Cell* kCells[] = {&rnn_cell, &rnn_relu_cell, &lstm_cell, &gru_cell, &gru_reset_before_cell};
}

const Cell* find_cell(const std::string& name) {
  for (const Cell* cell : kCells) {
    if (name == cell->name) return cell;
  }
  return nullptr;
}

std::vector<std::string> cell_names() {
  std::vector<std::string> names;
  for (const Cell* cell : kCells) names.emplace_back(cell->name);
  return names;
}

}  // namespace timernn
