#include "core/command/plan_check.hpp"

#include <algorithm>

#include "base/text.hpp"

namespace belay::command {
namespace {
using fleet::PackageChange;
using fleet::Problem;
using fleet::Reason;

constexpr std::size_t kProblemsMax = 50;

std::string id(const PackageChange& change) { return change.name + "." + change.arch; }

bool same_target(const PackageChange& a, const PackageChange& b) {
  return a.name == b.name && a.arch == b.arch && a.to_version == b.to_version;
}
bool hashes_differ(const PackageChange& a, const PackageChange& b) {
  return !a.sha256.empty() && !b.sha256.empty() && a.sha256 != b.sha256;
}

const PackageChange* find(std::span<const PackageChange> changes, const PackageChange& like) {
  const auto at = std::ranges::find_if(changes, [&](const auto& change) { return same_target(change, like); });
  return at == changes.end() ? nullptr : &*at;
}

// The frozen line for exactly this change. Parts of a change set may reach one version from several.
const PackageChange* find_line(std::span<const PackageChange> lines, const PackageChange& change) {
  const auto at = std::ranges::find_if(
      lines, [&](const auto& line) { return same_target(line, change) && line.from_version == change.from_version; });
  return at == lines.end() ? nullptr : &*at;
}

Problem wrong_hash(const PackageChange& change) {
  return {Reason::signature_bad, id(change),
          "version " + change.to_version + " has another content here than where it was planned",
          "look at the node's repositories: two different files carry the same version", false};
}

}  // namespace

std::vector<Problem> check_plan(const PlanQuestion& question) {
  std::vector<Problem> problems;
  const auto add = [&](Problem problem) {
    if (problems.size() < kProblemsMax) problems.push_back(std::move(problem));
  };
  for (const auto& wanted : question.wanted) {
    const auto* planned = find(question.planned, wanted);
    if (!planned)
      add({Reason::version_not_offered, id(wanted), "the node's resolver does not bring it to " + wanted.to_version,
           "scan the node again and see what it is offered", false});
    else if (hashes_differ(*planned, wanted)) add(wrong_hash(wanted));
  }
  for (const auto& planned : question.planned) {
    if (planned.to_version.empty())
      add({Reason::would_remove_packages, id(planned),
           "the change would remove " + id(planned) + " " + planned.from_version,
           "resolve the conflict on the node by hand, or reject the package that causes it", false});
    for (const auto& pattern : question.blocked)
      if (!planned.to_version.empty() && glob_match(pattern, planned.name))
        add({Reason::dependency_broken, id(planned),
             "the change needs " + id(planned) + " " + planned.to_version + ", which is rejected with BLOCK",
             "take '" + pattern + "' off the rejected list, or reject what needs it too", false});
    if (!question.frozen || planned.to_version.empty()) continue;
    const auto* line = find_line(*question.frozen, planned);
    if (!line)
      add({Reason::dependency_broken, id(planned),
           "the node would also change " + id(planned) + " from '" + planned.from_version + "' to " +
               planned.to_version + ", which the change set does not hold",
           "make a change set that covers this node's packages too", false});
    else if (hashes_differ(*line, planned)) add(wrong_hash(planned));
  }
  return problems;
}

}  // namespace belay::command
