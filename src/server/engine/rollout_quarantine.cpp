// Quarantine by hand: what people put into it, and lift.
#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "base/text.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/judge.hpp"
#include "server/engine/quarantine.hpp"
#include "server/engine/rollout_rows.hpp"
#include "store/change_sets.hpp"
#include "store/scans.hpp"

namespace belay::server {
using store::Sql;

namespace {

// Package managers' words; a node's own architecture ("x86_64" of a Debian machine) is one of them on another system.
constexpr std::string_view kDebArchitectures[] = {"amd64",  "arm64",   "armel",   "armhf", "i386",    "mips64el",
                                                  "mipsel", "ppc64el", "riscv64", "s390x", "loong64", "all"};
constexpr std::string_view kRpmArchitectures[] = {"x86_64",  "aarch64", "armv7hl", "i586",   "i686",
                                                  "ppc64le", "s390x",   "riscv64", "noarch", "x86_64_v2"};

bool is_one_of(std::span<const std::string_view> known, std::string_view text) {
  return std::ranges::find(known, text) != known.end();
}

// Where an entry would hit now.
struct Reach {
  std::set<std::string> nodes;              // active ones that have the version, or are offered it
  bool some_deb = false, some_rpm = false;  // there are nodes of that kind
};

Result<Reach> reach_of(Sql& sql, Judge& judge, const store::rollouts::Quarantine& entry) {
  Reach out;
  const auto is_it = [&](const auto& one) {
    return one.name == entry.name && one.version == entry.version && (entry.arch.empty() || one.arch == entry.arch);
  };
  std::map<std::pair<std::string, std::string>, bool> known;  // by what a scan names
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto heads, store::scans::heads(sql, {}, page));
    for (const auto& head : heads.items) {
      const auto [at, added] = known.try_emplace({head.package_set_hash, head.offer_set_hash}, false);
      if (added) {
        BELAY_TRY_ASSIGN(const auto packages, judge.packages(sql, head.package_set_hash));
        BELAY_TRY_ASSIGN(const auto offers, judge.offers(sql, head.offer_set_hash));
        if (packages) (packages->format == fleet::PackageFormat::deb ? out.some_deb : out.some_rpm) = true;
        at->second = (packages && std::ranges::any_of(packages->packages, is_it)) ||
                     (offers && std::ranges::any_of(offers->offers, is_it));
      }
      if (!at->second) continue;
      BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, head.node_id));
      BELAY_TRY_ASSIGN(const auto roles, roles_of(sql, head.node_id));
      if (node.state != store::nodes::NodeState::active) continue;
      if (!entry.operating_system.empty() && entry.operating_system != node.operating_system) continue;
      if (entry.role.empty() || std::ranges::find(roles, entry.role) != roles.end()) out.nodes.insert(node.node_id);
    }
    page.after = heads.next;
  } while (!page.after.empty());
  return out;
}

// An entry that can never match would be believed in.
Status check_names(const store::rollouts::Quarantine& entry, const Reach& reach) {
  const auto odd = [](std::string_view text, std::string_view signs) {
    return std::ranges::any_of(text, [&](char c) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      return !plain && signs.find(c) == std::string_view::npos;
    });
  };
  if (odd(entry.name, "+-._"))
    return refused_rollout("Package: '" + sanitize(entry.name, 100) + "' is no package name");
  if (odd(entry.version, "+-._:~^"))
    return refused_rollout("Version: '" + sanitize(entry.version, 100) +
                           "' is no version: write it whole, as `belay where` shows it");
  if (entry.arch.empty()) return {};
  const bool deb = is_one_of(kDebArchitectures, entry.arch), rpm = is_one_of(kRpmArchitectures, entry.arch);
  // On a fleet of one kind the other kind's words hit nothing; where there is no node yet, both may come.
  const bool both = reach.some_deb == reach.some_rpm;
  if ((deb && (both || reach.some_deb)) || (rpm && (both || reach.some_rpm))) return {};
  return refused_rollout("Architecture: no package of these nodes has '" + sanitize(entry.arch, 50) +
                         "'; Debian's kind says amd64, arm64, all, Red Hat's and SUSE's x86_64, aarch64, noarch");
}

}  // namespace

Result<std::string> Rollouts::put_quarantine(store::rollouts::Quarantine entry) {
  entry.added_at = clock_.now();
  for (auto* text : {&entry.name, &entry.arch, &entry.version, &entry.operating_system, &entry.role, &entry.reason})
    *text = std::string(trim(*text));
  if (entry.change_set_id.empty() == entry.name.empty())
    return refused_rollout("name a change set, or a package with its version: one of them");
  if (!entry.name.empty() && entry.version.empty())
    return refused_rollout("name the version of " + sanitize(entry.name, 100));
  if (entry.reason.empty())
    return refused_rollout("say why (Reason): somebody will have to decide whether it may be lifted");
  BELAY_TRY_ASSIGN(const auto reach, store_.read([&](Sql& sql) { return reach_of(sql, judge_, entry); }));
  BELAY_TRY(check_names(entry, reach));
  return store_.write([&](Sql& sql) -> Result<std::string> {
    if (!entry.change_set_id.empty()) {
      const auto kept = store::change_sets::get(sql, entry.change_set_id);
      if (!kept.ok())
        return refused_rollout("there is no frozen change set '" + sanitize(entry.change_set_id, 64) + "'");
    }
    return put_into_quarantine(sql, entry, "");
  });
}

Result<std::uint32_t> Rollouts::nodes_in_reach(std::string_view quarantine_id) {
  return store_.read([&](Sql& sql) -> Result<std::uint32_t> {
    BELAY_TRY_ASSIGN(const auto entry, store::rollouts::get_quarantine(sql, quarantine_id));
    if (entry.name.empty()) return 0u;
    BELAY_TRY_ASSIGN(const auto reach, reach_of(sql, judge_, entry));
    return static_cast<std::uint32_t>(reach.nodes.size());
  });
}

Status Rollouts::lift_quarantine(std::string_view quarantine_id, std::string_view reason, std::string_view by) {
  if (reason.empty()) return refused_rollout("say why it may be lifted (Reason)");
  const Instant now = clock_.now();
  return store_.write([&](Sql& sql) -> Status {
    const auto lifted = store::rollouts::lift_quarantine(sql, quarantine_id, by, reason, now);
    if (!lifted.ok() && lifted.error().code() == Code::not_found)
      return Error(Code::not_found, "nothing is in quarantine under '" + sanitize(std::string(quarantine_id), 64) + "'",
                   "DoesNotExistException");
    if (!lifted.ok() && lifted.error().code() == Code::conflict)
      return wrong_rollout_state(std::string(quarantine_id) + " was lifted already");
    if (!lifted.ok()) return lifted;
    return note_in_audit(sql, now, by, "belay:DeleteQuarantine", quarantine_id, {{"reason", reason}});
  });
}

}  // namespace belay::server
