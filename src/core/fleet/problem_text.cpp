#include "core/fleet/problem_text.hpp"

namespace belay::fleet {

std::string what_is_wrong(const Problem& problem) {
  std::string text = boost::describe::enum_to_string(problem.reason, "?");
  if (!problem.subject.empty()) text += " (" + problem.subject + ")";
  return problem.detail.empty() ? text : text + ": " + problem.detail;
}

std::string what_is_wrong_and_next(const Problem& problem) {
  return what_is_wrong(problem) + (problem.next.empty() ? "" : "; " + problem.next);
}

}  // namespace belay::fleet
