#pragma once
// What a node reports of a document's steps that it did (or pretends to have done), up to the first that is the
// server's.
#include <set>
#include <string>

#include "wire/messages.hpp"

namespace belay::fakes {

// Every step says `said` and exits with 0, those of `failing` with 3.
inline wire::StepsReport steps_done(const wire::StepsOrder& order, const std::string& said,
                                    const std::set<std::string>& failing = {}, Instant now = {}) {
  wire::StepsReport report{order.run, {}, {}, {}};
  for (std::size_t i = 0; i < order.steps.size(); ++i) {
    const bool leaf = document::inner_steps_of(order.steps[i]) == 0;
    if (!leaf || report.run.steps[i].status != document::StepStatus::InProgress) continue;
    if (std::holds_alternative<document::Patch>(order.steps[i].work)) break;
    report.outputs.push_back({static_cast<std::uint32_t>(i), said, ""});
    const int code = failing.contains(order.steps[i].name) ? 3 : 0;
    document::step(order.steps, report.run, {document::EventKind::exited, code, ""}, now);
  }
  return report;
}

// The lines of an order's first step, a script.
inline const std::vector<std::string>& script_of(const wire::Order& order) {
  return std::get<document::RunShellScript>(order.steps->steps.at(0).work).commands;
}

}  // namespace belay::fakes
