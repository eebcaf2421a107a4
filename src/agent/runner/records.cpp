#include "agent/runner/records.hpp"

#include <algorithm>

#include "base/json.hpp"

namespace belay::agent {
namespace {
constexpr json::Limits kLimits{.bytes_max = 32 << 20, .depth_max = 16};
}  // namespace

const wire::OrderResult* Records::find(const std::string& id) const {
  const auto found = std::ranges::find(results, id, &wire::OrderResult::order_id);
  return found == results.end() ? nullptr : &*found;
}

Records read_records(const io::Files& files, const StatePaths& paths) {
  Records records;
  const auto take = [&](const std::string& path) {
    const auto text = files.read(path, kLimits.bytes_max);
    if (!text.ok()) return false;
    auto result = json::decode_text<wire::OrderResult>(*text, kLimits);
    if (result.ok()) records.results.push_back(std::move(*result));
    return result.ok();
  };
  if (const auto names = files.list(paths.archive()); names.ok())
    for (const auto& name : *names) take(paths.archive() + "/" + name);
  if (const auto names = files.list(paths.orders()); names.ok())
    for (const auto& name : *names)
      if (!take(paths.result(name))) records.open.insert(name);
  std::ranges::sort(records.results, std::ranges::greater(), &wire::OrderResult::finished_at);
  return records;
}

std::vector<patchrun::PastRun> past_runs(const Records& records) {
  std::vector<patchrun::PastRun> past;
  for (const auto& result : records.results)
    if (result.run) past.push_back({result.run->changed.size(), result.run->steps});
  return past;
}

}  // namespace belay::agent
