#include "core/rollout/spec.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/text.hpp"
#include "core/rollout/spec_parts.hpp"

namespace belay::rollout {
namespace {
using parts::Place;
constexpr std::string_view kReason = "ValidationException";
constexpr Duration kDay{86'400'000};
constexpr std::string_view kHeldPackages = "packages", kOwnCommand = "command:";
constexpr std::array<std::string_view, 5> kProviders = {kHeldPackages, "btrfs", "lvm", "zfs", "copy"};

void read_protection(const Place& place, Spec& spec) {
  place.reader.only(place.object, place.path, {"class", "snapshots", "keep", "proof", "restoreData"});
  const auto read = parts::read_class_and_proof(place, {});
  spec.protection.least = read.least.value_or(spec.protection.least);
  spec.proof = read.proof;
  spec.restore_data = read.restore_data;
  spec.protection.snapshots = place.texts("snapshots", 10, 64);
  for (std::size_t i = 0; i < spec.protection.snapshots.size(); ++i) {
    auto& name = spec.protection.snapshots[i];
    const auto here = item_path(place.at("snapshots"), i);
    if (name.starts_with(kOwnCommand) && name.size() > kOwnCommand.size()) name.erase(0, kOwnCommand.size());
    else if (std::ranges::find(kProviders, name) == kProviders.end())
      place.reader.refuse(here, "is '" + sanitize(name, 64) + "', no provider that is known: " +
                                    join(std::vector<std::string>(kProviders.begin(), kProviders.end()), ", ") +
                                    ", or command:NAME for one of your own");
  }
  spec.protection.keep_snapshots = place.span("keep", Duration::zero(), Duration::zero(), 90 * kDay);
}

void read_source(const Place& place, Spec& spec) {
  spec.baseline = place.text("baseline", false, 256);
  spec.change_set_id = place.text("changeSet", false, 64);
  if (!spec.baseline.empty() && !spec.change_set_id.empty())
    place.reader.refuse(place.at("changeSet"), "stands beside a baseline; name what is shipped by one of them");
  if (!spec.change_set_id.empty() && !spec.change_set_id.starts_with("cs-"))
    place.reader.refuse(place.at("changeSet"), "is no change set's id (cs-…)");
  if (place.find("approvals")) spec.approvals = place.number("approvals", 0, 0, kApprovalsMax);
}

void read_notice(const Place& place, Spec& spec) {
  place.reader.only(place.object, place.path, {"webhook", "mail"});
  const bool webhook = place.find("webhook") != nullptr, mail = place.find("mail") != nullptr;
  if (webhook == mail) return place.reader.refuse(place.path, "names neither or both of webhook and mail; name one");
  auto text = place.text(webhook ? "webhook" : "mail", true, webhook ? 2'000 : 254);
  if (webhook && !text.starts_with("https://")) place.reader.refuse(place.at("webhook"), "is no https:// address");
  if (mail && !document::is_mail_address(text))
    place.reader.refuse(place.at("mail"), "is no plain mail address (name@host)");
  (webhook ? spec.webhooks : spec.mails).push_back(std::move(text));
}

// `notify: {webhook: URL}`, or a list of such.
void read_notices(const Place& place, Spec& spec) {
  const auto* value = place.find("notify");
  if (!value) return;
  if (value->is_array())
    place.each("notify", false, kNoticesMax, [&](const Place& inner) { read_notice(inner, spec); });
  else place.with("notify", [&](const Place& inner) { read_notice(inner, spec); });
}

void read_policy(const Place& place, Spec& spec) {
  const auto reboot = place.choice("reboot", "never,if-needed,always", "if-needed");
  spec.reboot = reboot == "never"    ? patchrun::Reboot::never
                : reboot == "always" ? patchrun::Reboot::always
                                     : patchrun::Reboot::if_needed;
  spec.reboot_timeout = place.span("rebootTimeout", spec.reboot_timeout, Duration(30'000), kDay / 2);
  spec.restart_services = place.flag("restartServices", false);
  const auto ill = place.choice("illBefore", "hold,patch", "hold");
  spec.ill_before = ill == "patch" ? patchrun::IllBefore::patch : patchrun::IllBefore::hold;
  const auto failure = place.choice("onFailure", "rollback,rollback-all,halt", "rollback");
  spec.on_failure = failure == "halt"           ? FailureAction::halt
                    : failure == "rollback-all" ? FailureAction::rollback_all
                                                : FailureAction::rollback;
  read_notices(place, spec);
}

void refuse_repeats(const Place& place, const Spec& spec) {
  std::set<std::string_view> rings, probes;
  for (std::size_t i = 0; i < spec.rings.size(); ++i)
    if (!spec.rings[i].name.empty() && !rings.insert(spec.rings[i].name).second)
      place.reader.refuse(item_path("rings", i), "is called '" + spec.rings[i].name + "' like another ring");
  for (std::size_t i = 0; i < spec.probes.size(); ++i)
    if (!spec.probes[i].name.empty() && !probes.insert(spec.probes[i].name).second)
      place.reader.refuse(item_path("probes", i), "is called '" + spec.probes[i].name + "' like another probe");
}

// Held packages are R1, and nothing that is named here would take a snapshot.
void refuse_unreachable_class(const Place& place, const Spec& spec) {
  const auto& named = spec.protection.snapshots;
  const bool none = !named.empty() && std::ranges::all_of(named, [](const auto& n) { return n == kHeldPackages; });
  if (!none) return;
  const std::string why = "is R2, and protect.snapshots names no snapshot provider but held packages, which are R1";
  if (spec.protection.least == patchrun::ReversibilityClass::R2) place.reader.refuse("protect.class", why);
  for (std::size_t i = 0; i < spec.rings.size(); ++i)
    if (spec.rings[i].least == patchrun::ReversibilityClass::R2)
      place.reader.refuse(member_path(item_path("rings", i), "class"), why);
}

// Data is put back where a probe says that what was healthy is ill, and nothing else helped.
void refuse_restore_that_never_comes(const Place& place, const Spec& spec) {
  std::string why;
  if (spec.probes.empty()) why = "wants probes: only they tell that data is ill, and none are named";
  else if (spec.on_failure == FailureAction::halt)
    why = "is the last step of a rollback, and onFailure: halt rolls nothing back";
  if (why.empty()) return;
  if (spec.restore_data) return place.reader.refuse("protect.restoreData", why);
  for (std::size_t i = 0; i < spec.rings.size(); ++i)
    if (spec.rings[i].restore_data) place.reader.refuse(member_path(item_path("rings", i), "restoreData"), why);
}

Spec read_whole(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"name", "description", "baseline", "changeSet", "approvals", "protect", "rings", "probes", "gate",
                     "illBefore", "reboot", "rebootTimeout", "restartServices", "onFailure", "notify"});
  Spec spec;
  spec.name = place.text("name", true, 128);
  spec.description = place.text("description", false, 1'024);
  read_source(place, spec);
  place.with("protect", [&](const Place& inner) { read_protection(inner, spec); });
  place.each("rings", true, kRingsMax, [&](const Place& inner) {
    spec.rings.push_back(parts::read_ring(inner, {{}, spec.proof, spec.restore_data}));
  });
  place.each("probes", false, patchrun::kProbesMax,
             [&](const Place& inner) { spec.probes.push_back(parts::read_probe(inner)); });
  place.with("gate", [&](const Place& inner) { spec.gate = parts::read_gate(inner); });
  read_policy(place, spec);
  refuse_repeats(place, spec);
  refuse_restore_that_never_comes(place, spec);
  refuse_unreachable_class(place, spec);
  return spec;
}

}  // namespace

Result<Spec> read_spec(std::string_view content) {
  auto read = document::read_either(content);
  if (!read.ok()) return Error(Code::invalid_argument, read.error().message(), std::string(kReason));
  document::Reader reader(*read);
  Spec spec;
  if (const auto* object = reader.object(read->value, "")) spec = read_whole({reader, *object, ""});
  if (!reader.ok()) return reader.error(std::string(kReason));
  return spec;
}

}  // namespace belay::rollout
