#include "server/api/request_metrics.hpp"

#include <algorithm>

#include "server/engine/metrics_text.hpp"

namespace belay::server {
namespace {

// 1'500 as "1.500"
std::string seconds(std::int64_t ms) {
  const std::string rest = std::to_string(ms % 1'000);
  return std::to_string(ms / 1'000) + "." + std::string(3 - rest.size(), '0') + rest;
}

}  // namespace

void RequestMetrics::note(std::string_view operation, int http_status, Duration took) {
  const auto bound = std::ranges::lower_bound(kBounds, took.count());
  const std::scoped_lock lock(mutex_);
  ++counts_[{operation.empty() ? "unknown" : std::string(operation), http_status}];
  ++buckets_[static_cast<std::size_t>(bound - kBounds.begin())];
  total_ += took;
}

std::string RequestMetrics::text() const {
  MetricsText out;
  const std::scoped_lock lock(mutex_);
  out.family("belay_requests_total", "counter");
  for (const auto& [key, count] : counts_)
    out.sample("belay_requests_total", {{"operation", key.first}, {"status", std::to_string(key.second)}}, count);
  out.family("belay_request_duration_seconds", "histogram");
  std::uint64_t so_far = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    so_far += buckets_[i];
    const std::string bound = i < kBounds.size() ? seconds(kBounds[i]) : "+Inf";
    out.sample("belay_request_duration_seconds_bucket", {{"le", bound}}, so_far);
  }
  out.sample("belay_request_duration_seconds_sum", {}, seconds(total_.count()));
  out.sample("belay_request_duration_seconds_count", {}, so_far);
  return out.take();
}

}  // namespace belay::server
