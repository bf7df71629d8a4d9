// What a run works on, as the main thread describes it. Refuses to do: rounds.
#pragma once

#include <napi.h>

#include "train/runner.h"

namespace timernn::binding {

/// Every property is read here and only here: a getter cannot give one array to the checks and another to the
/// run. What this returns also keeps the arrays alive. Their memory stays where it is if it is shared, as the
/// trainer's is; a caller of the addon who transfers an array of a run away takes memory from under it.
Napi::Object run_snapshot(const Napi::Object& run);

/// The checked description of a snapshot; throws what the checks find, with the name of the property.
RunPlan run_plan(const Napi::Object& snapshot);

}  // namespace timernn::binding
