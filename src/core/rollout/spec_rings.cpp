// The rings of a rollout's file.
#include <algorithm>

#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "core/rollout/spec_parts.hpp"

namespace belay::rollout::parts {
namespace {

constexpr std::uint32_t kAnyTargets = 1'000'000;  // rates are only read here; what they come to is the plan's to say

void add_target(std::vector<RingTarget>& targets, RingTarget target) {
  const auto same = std::ranges::find(targets, target.key, &RingTarget::key);
  if (same == targets.end()) return targets.push_back(std::move(target));
  for (auto& value : target.values)
    if (std::ranges::find(same->values, value) == same->values.end()) same->values.push_back(std::move(value));
}

void read_targets(const Place& place, RingSpec& ring) {
  if (!place.find("targets")) return place.reader.refuse(place.at("targets"), "is missing");
  const auto texts = place.texts("targets", kTargetsMax, 1'000);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto target = parse_target(texts[i]);
    if (target.ok()) add_target(ring.targets, std::move(*target));
    else place.reader.refuse(item_path(place.at("targets"), i), target.error().message());
  }
  if (texts.empty()) place.reader.refuse(place.at("targets"), "names nobody");
}

void read_share(const Place& place, RingSpec& ring) {
  const auto share = place.text("share");
  if (share.empty()) return;
  const auto percent = share.ends_with('%') ? command::max_concurrency(share, 100) : Error(Code::invalid_argument, "");
  if (percent.ok()) ring.share_percent = *percent;
  else place.reader.refuse(place.at("share"), "is '" + sanitize(share, 20) + "', expected a share like 10%");
}

void read_order(const Place& place, RingSpec& ring) {
  place.with("order", [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"command", "last", "timeout"});
    auto& order = ring.order.emplace();
    order.command = inner.text("command", true, 8'000);
    order.last = inner.texts("last", 20, 64);
    order.timeout = inner.span("timeout", order.timeout, Duration(1'000), Duration(600'000));
    if (order.last.empty()) inner.reader.refuse(inner.at("last"), "names no role that comes last");
  });
}

// A rate may be written as a number or as text.
std::string read_rate(const Place& place, std::string_view field, std::string when_absent) {
  const auto* value = place.find(field);
  if (!value) return when_absent;
  if (value->is_int64() && value->get_int64() >= 0) return std::to_string(value->get_int64());
  const auto text = place.text(field);
  return text.empty() ? when_absent : text;
}

void read_rates(const Place& place, RingSpec& ring) {
  ring.max_concurrency = read_rate(place, "maxConcurrency", ring.max_concurrency);
  ring.max_errors = read_rate(place, "maxErrors", ring.max_errors);
  if (const auto rate = command::max_concurrency(ring.max_concurrency, kAnyTargets); !rate.ok())
    place.reader.refuse(place.at("maxConcurrency"), rate.error().message());
  if (const auto rate = command::max_errors(ring.max_errors, kAnyTargets); !rate.ok())
    place.reader.refuse(place.at("maxErrors"), rate.error().message());
}

}  // namespace

RingSpec read_ring(const Place& place, const Protection& otherwise) {
  place.reader.only(place.object, place.path,
                    {"name", "targets", "share", "rest", "soak", "maxConcurrency", "maxErrors", "approval",
                     "sampleSize", "window", "calendars", "budget", "order", "class", "proof", "restoreData"});
  RingSpec ring;
  ring.name = place.text("name", true, 64);
  read_targets(place, ring);
  read_share(place, ring);
  ring.rest = place.flag("rest", false);
  ring.soak = place.span("soak", Duration::zero(), Duration::zero(), Duration(std::chrono::days(60)));
  read_rates(place, ring);
  ring.approvals = place.number("approval", 0, 0, kApprovalsMax);
  ring.sample_size = place.number("sampleSize", 1, 1, 1'000'000);
  ring.window = place.text("window");
  if (!ring.window.empty() && !ring.window.starts_with("mw-"))
    place.reader.refuse(place.at("window"), "is no maintenance window's id (mw-…)");
  ring.calendars = place.texts("calendars", 20, 512);
  place.each("budget", false, kBudgetsMax, [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"tag", "maxDisrupted"});
    ring.budgets.push_back({inner.text("tag", true, 128), inner.number("maxDisrupted", 1, 1, 1'000'000)});
  });
  read_order(place, ring);
  auto protection = read_class_and_proof(place, otherwise);
  ring.least = protection.least;
  ring.proof = protection.proof;
  ring.restore_data = protection.restore_data;
  return ring;
}

}  // namespace belay::rollout::parts
