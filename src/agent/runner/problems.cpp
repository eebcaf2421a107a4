#include "agent/runner/problems.hpp"

#include <algorithm>

#include "base/error_table.hpp"
#include "base/text.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kDetailBytesMax = 2'000;

fleet::Reason reason_of(const Error& error) {
  std::string word = error.reason();
  std::ranges::replace(word, '-', '_');
  fleet::Reason reason = fleet::Reason::other;
  if (boost::describe::enum_from_string(word.c_str(), reason)) return reason;
  if (error.code() == Code::timed_out) return fleet::Reason::timed_out;
  return fleet::Reason::other;
}

}  // namespace

fleet::Problem problem_of(const Error& error, std::string subject) {
  return {reason_of(error), std::move(subject), sanitize(error.chain(), kDetailBytesMax),
          std::string(meaning(error.code()).what_to_do), false};
}

}  // namespace belay::agent
