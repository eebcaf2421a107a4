// The file of a backup plan.
#include "core/backup/plan.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "core/backup/plan_parts.hpp"

namespace belay::backup {
namespace {

constexpr std::size_t kNoticesMax = 10;
using parts::kDay;
using parts::kHour;
using parts::kMinute;
using parts::Place;

KeepRules read_keep(const Place& place) {
  constexpr std::uint32_t kMost = 10'000;
  place.reader.only(place.object, place.path, {"last", "daily", "weekly", "monthly", "yearly", "within"});
  KeepRules keep;
  keep.last = place.number("last", 0, 0, kMost);
  keep.daily = place.number("daily", 0, 0, kMost);
  keep.weekly = place.number("weekly", 0, 0, kMost);
  keep.monthly = place.number("monthly", 0, 0, kMost);
  keep.yearly = place.number("yearly", 0, 0, kMost);
  keep.within = place.span("within", Duration::zero(), Duration::zero(), 36'500 * kDay);
  if (keep.empty() && std::ranges::none_of(place.object, [](const auto& one) { return one.value().is_string(); }))
    place.reader.refuse(place.path,
                        "keeps nothing; say last, daily, weekly, monthly, yearly or within, or leave keep "
                        "out, and everything stays");
  return keep;
}

void read_targets(const Place& place, PlanSpec& plan) {
  if (!place.find("targets")) return place.reader.refuse(place.at("targets"), "is missing; \"*\" is every node");
  plan.targets = place.texts("targets", kTargetsMax, 1'000);
  if (plan.targets.empty()) place.reader.refuse(place.at("targets"), "names nobody");
  for (std::size_t i = 0; i < plan.targets.size(); ++i)
    if (const auto target = document::parse_target(plan.targets[i]); !target.ok())
      place.reader.refuse(item_path(place.at("targets"), i), target.error().message());
}

CopySpec read_copy(const Place& place, const PlanSpec& plan) {
  place.reader.only(place.object, place.path, {"vault", "keep", "schedule"});
  CopySpec copy;
  copy.vault = parts::name(place, "vault", true);
  place.with("keep", [&](const Place& inner) { copy.keep = read_keep(inner); });
  copy.schedule = place.text("schedule", false, schedule::kExpressionBytesMax);
  if (!copy.schedule.empty())
    if (const auto problem = parts::schedule_problem(copy.schedule); !problem.empty()) {
      place.reader.refuse(place.at("schedule"), problem);
      copy.schedule.clear();
    }
  if (!copy.vault.empty() && copy.vault == plan.vault)
    place.reader.refuse(place.at("vault"), "is the plan's own vault; a copy must be somewhere else");
  for (const auto& other : plan.copies)
    if (!copy.vault.empty() && other.vault == copy.vault)
      place.reader.refuse(place.at("vault"), "is '" + copy.vault + "' like that of another copy");
  return copy;
}

void read_objectives(const Place& place, PlanSpec& plan) {
  place.reader.only(place.object, place.path, {"rpo", "rto"});
  plan.objectives.rpo = place.span("rpo", Duration::zero(), Duration::zero(), 366 * kDay);
  plan.objectives.rto = place.span("rto", Duration::zero(), Duration::zero(), 366 * kDay);
}

void read_limits(const Place& place, PlanSpec& plan) {
  place.reader.only(place.object, place.path, {"bandwidth", "idleIo", "processes", "retries", "retryAfter", "timeout"});
  auto& limits = plan.limits;
  limits.bytes_a_second_max = parts::bandwidth(place);
  limits.idle_io = place.flag("idleIo", limits.idle_io);
  limits.processes = place.number("processes", limits.processes, 1, 64);
  limits.retries = place.number("retries", limits.retries, 0, 10);
  limits.retry_after = place.span("retryAfter", limits.retry_after, kMinute, kDay);
  limits.timeout = place.span("timeout", limits.timeout, kMinute, 7 * kDay);
}

void read_notify(const Place& place, PlanSpec& plan) {
  const auto take = [&](const Place& where, std::string_view field, std::string address) {
    if (!address.starts_with("https://") || !parts::address_problem(address).empty())
      where.reader.refuse(where.at(field), "is no https:// address");
    plan.notify.push_back(std::move(address));
  };
  const auto* value = place.find("notify");
  const auto* list = value ? value->if_array() : nullptr;
  const bool mappings =
      value && (value->is_object() || (list && std::ranges::any_of(*list, [](auto& one) { return one.is_object(); })));
  if (!mappings) {
    const auto texts = place.texts("notify", kNoticesMax, 2'000);
    for (std::size_t i = 0; i < texts.size(); ++i) take(place, "notify[" + std::to_string(i) + "]", texts[i]);
    return;
  }
  const auto notice = [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"webhook", "mail"});
    const bool webhook = inner.find("webhook") != nullptr;
    if (webhook == (inner.find("mail") != nullptr))
      return inner.reader.refuse(inner.path, "names neither or both of webhook and mail; name one");
    if (webhook) return take(inner, "webhook", inner.text("webhook", true, 2'000));
    plan.mails.push_back(inner.text("mail", true, 254));
    if (!document::is_mail_address(plan.mails.back()))
      inner.reader.refuse(inner.at("mail"), "is no plain mail address (name@host)");
  };
  if (list) place.each("notify", false, kNoticesMax, notice);
  else place.with("notify", notice);
}

PlanSpec read_whole(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"name", "description", "targets", "source", "schedule", "vault", "copies", "keep", "objectives",
                     "prove", "limits", "notify"});
  PlanSpec plan;
  plan.name = parts::name(place, "name", true);
  plan.description = place.text("description", false, 1'024);
  read_targets(place, plan);
  if (!place.find("source")) place.reader.refuse(place.at("source"), "is missing; it names the engine and its data");
  place.with("source", [&](const Place& inner) { plan.source = parts::read_source(inner); });
  place.with("schedule", [&](const Place& inner) { plan.schedule = parts::read_schedule(inner); });
  plan.vault = parts::name(place, "vault", true);
  place.each("copies", false, kCopiesMax, [&](const Place& inner) { plan.copies.push_back(read_copy(inner, plan)); });
  place.with("keep", [&](const Place& inner) { plan.keep = read_keep(inner); });
  place.with("objectives", [&](const Place& inner) { read_objectives(inner, plan); });
  place.with("prove", [&](const Place& inner) { plan.prove = parts::read_prove(inner); });
  place.with("limits", [&](const Place& inner) { read_limits(inner, plan); });
  read_notify(place, plan);
  return plan;
}

// What the parts say together; an engine that was not understood says nothing about the others.
bool engine_is_known(const Place& place) {
  const auto* source = place.object.if_contains("source");
  const auto* object = source ? source->if_object() : nullptr;
  const auto* engine = object ? object->if_contains("engine") : nullptr;
  return engine && engine->is_string() && parts::is_engine(engine->get_string());
}

}  // namespace

Result<PlanSpec> read_plan(std::string_view content) {
  PlanSpec plan;
  BELAY_TRY(parts::read_file(content, [&](const Place& place) {
    plan = read_whole(place);
    if (!engine_is_known(place)) return;
    parts::check_times(place, plan);
    parts::check_prove(place, plan);
  }));
  return plan;
}

}  // namespace belay::backup
