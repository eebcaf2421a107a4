#include <algorithm>

#include "tests/contract/package_manager_contract.hpp"

namespace belay::agent::contract {

using fleet::Reason;

std::string text_of(const std::vector<fleet::Problem>& problems) {
  std::string text;
  for (const auto& problem : problems)
    text += std::string(boost::describe::enum_to_string(problem.reason, "?")) + " [" + problem.subject + "] " +
            problem.detail + "\n";
  return text;
}

bool has_reason(const std::vector<fleet::Problem>& problems, Reason reason, std::string_view subject) {
  return std::ranges::any_of(problems, [&](const auto& problem) {
    return problem.reason == reason && (subject.empty() || problem.subject == subject);
  });
}

}  // namespace belay::agent::contract
