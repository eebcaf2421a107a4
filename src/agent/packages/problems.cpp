#include "agent/packages/problems.hpp"

#include <algorithm>

#include "agent/packages/package_manager.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

bool is_half_done(const fleet::Problem& problem) {
  return problem.reason == fleet::Reason::dpkg_interrupted || problem.reason == fleet::Reason::package_broken;
}

Code code_of(fleet::Reason reason) {
  using enum fleet::Reason;
  switch (reason) {
    case lock_held:
    case package_held:
    case would_remove_packages:
    case dpkg_interrupted:
    case phased_update:
    case reboot_pending: return Code::conflict;
    case repository_unreachable: return Code::unavailable;
    case release_expired:
    case release_stale:
    case key_expired:
    case key_missing:
    case signature_bad:
    case database_unreadable: return Code::corrupt;
    case version_not_offered:
    case metadata_missing: return Code::not_found;
    case disk_full: return Code::resource_exhausted;
    case timed_out: return Code::timed_out;
    case unsupported_system: return Code::unsupported;
    default: return Code::internal;
  }
}

}  // namespace

fleet::Problem make_problem(fleet::Reason reason, std::string_view subject, std::string_view detail,
                            std::string_view next, bool blocks_judgement) {
  return {reason, sanitize(subject, 300), sanitize(trim(detail), kProblemDetailBytesMax), std::string(next),
          blocks_judgement};
}

void add_problem(std::vector<fleet::Problem>& problems, fleet::Problem problem) {
  for (auto& known : problems) {
    if (known.reason != problem.reason || known.subject != problem.subject) continue;
    known.blocks_judgement |= problem.blocks_judgement;
    return;
  }
  if (problems.size() < kProblemsMax) return problems.push_back(std::move(problem));
  problems.back() =
      make_problem(fleet::Reason::other, "", "more problems than are listed were found", "mend the ones above first",
                   problems.back().blocks_judgement || problem.blocks_judgement);
}

void add_problems(std::vector<fleet::Problem>& problems, std::vector<fleet::Problem> more) {
  for (auto& problem : more) add_problem(problems, std::move(problem));
}

bool may_be_under_way(const std::vector<fleet::Problem>& problems) {
  return std::ranges::any_of(problems, is_half_done);
}

void put_down_to(const fleet::Problem& in_use, std::vector<fleet::Problem>& problems) {
  std::erase_if(problems, is_half_done);
  add_problem(problems, in_use);
}

std::string reason_word(fleet::Reason reason) {
  std::string word(boost::describe::enum_to_string(reason, "other"));
  std::ranges::replace(word, '_', '-');
  return word;
}

Error error_of(const fleet::Problem& problem) {
  std::string message = problem.subject.empty() ? problem.detail : problem.subject + ": " + problem.detail;
  if (!problem.next.empty()) message += "; " + problem.next;
  return Error(code_of(problem.reason), std::move(message), reason_word(problem.reason));
}

std::string tail_of(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    text.remove_prefix(text.size() - bytes_max);
    if (const auto line = text.find('\n'); line != std::string_view::npos && line + 1 < text.size())
      text.remove_prefix(line + 1);
  }
  return sanitize(text, bytes_max);
}

bool is_plain_word(std::string_view text, std::size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

}  // namespace belay::agent
