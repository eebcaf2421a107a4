// What a plan and its vaults say together.
#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "base/text.hpp"
#include "core/backup/agenda.hpp"
#include "core/backup/parts.hpp"
#include "core/backup/plan.hpp"

namespace belay::backup {
namespace {
using parts::kDay;

std::string word(VaultKind kind) { return boost::describe::enum_to_string(kind, ""); }

std::string words(const std::vector<VaultKind>& kinds) {
  std::vector<std::string> all;
  for (const auto kind : kinds) all.push_back(word(kind));
  return join(all, ", ");
}

bool has(const std::vector<VaultKind>& kinds, VaultKind kind) { return std::ranges::find(kinds, kind) != kinds.end(); }

std::string quoted(const VaultSpec& vault) { return "'" + vault.name + "'"; }

// The same bytes in the same place under two names.
bool is_same_place(const VaultSpec& a, const VaultSpec& b) {
  if (a.kind != b.kind) return false;
  if (a.sftp && b.sftp) return a.sftp->host == b.sftp->host && a.sftp->path == b.sftp->path;
  if (a.s3 && b.s3)
    return a.s3->endpoint == b.s3->endpoint && a.s3->bucket == b.s3->bucket && a.s3->prefix == b.s3->prefix;
  if (a.rest && b.rest) return a.rest->url == b.rest->url;
  if (a.removable && b.removable) return a.removable->labels == b.removable->labels;
  if (a.tape && b.tape) return a.tape->device == b.tape->device && a.tape->ltfs == b.tape->ltfs;
  return !a.path.empty() && a.path == b.path;
}

// How far back the rules reach at most, when nothing fails: a point that is older is gone.
Duration reach(const KeepRules& keep, std::optional<Duration> between) {
  const auto times = [](std::uint32_t count, Duration each) { return each * static_cast<std::int64_t>(count); };
  return std::max({keep.within, times(keep.daily, kDay), times(keep.weekly, 7 * kDay), times(keep.monthly, 31 * kDay),
                   times(keep.yearly, 366 * kDay), between ? times(keep.last, *between) : Duration::zero()});
}

class Judge {
 public:
  explicit Judge(const PlanSpec& plan) : plan_(plan), rules_(engine_rules(plan.source.engine)) {}

  void own(const VaultSpec& vault) {
    const auto engine = std::string(text_of(plan_.source.engine));
    if (plan_.vault != vault.name) refuse("vault", "is '" + plan_.vault + "', and what was found is " + quoted(vault));
    if (vault.kind == VaultKind::tape)
      refuse("vault", quoted(vault) +
                          " is a tape, which can neither be added to nor checked at random; back up to a "
                          "disk or S3 and copy to the tape (copies)");
    else if (!has(rules_.vaults, vault.kind))
      refuse("vault", quoted(vault) + " is of kind " + word(vault.kind) + ", and " + engine + " writes to " +
                          words(rules_.vaults) + why_not(vault.kind));
    tls(vault, "vault");
    lock(vault, plan_.keep, "keep", {});
  }

  void copy(std::size_t i, const VaultSpec& own, const VaultSpec* vault) {
    const auto& copy = plan_.copies[i];
    const auto at = item_path("copies", i);
    if (!vault) return refuse(at + ".vault", "is '" + copy.vault + "', and there is no such vault");
    if (!has(rules_.copies_from, own.kind))
      refuse(at, std::string(text_of(plan_.source.engine)) + " cannot copy out of " + quoted(own) +
                     ", which is of kind " + word(own.kind) + "; " +
                     (rules_.copies_from.empty() ? "make a second plan that backs up into " + quoted(*vault)
                                                 : "it can out of " + words(rules_.copies_from)));
    if (is_same_place(own, *vault))
      refuse(at + ".vault",
             quoted(*vault) + " is the same place as " + quoted(own) + "; a copy must be somewhere else");
    if (vault->offsite && !vault->site.empty() && vault->site == own.site)
      refuse(at + ".vault", quoted(*vault) + " is told as offsite, but both vaults are at the site '" + own.site +
                                "': what ends one ends the other; correct site or offsite of one of them");
    if (vault->offsite && vault->sftp && own.sftp && vault->sftp->host == own.sftp->host)
      refuse(at + ".vault", quoted(*vault) + " is told as offsite, but it is on the same host as " + quoted(own));
    lock(*vault, copy.keep, at + ".keep", copy.schedule);
  }

  void picks(const VaultSpec& own, const std::vector<VaultSpec>& copies) {
    if (std::ranges::find(plan_.prove.pick, Pick::offsite) == plan_.prove.pick.end()) return;
    if (!own.offsite && std::ranges::none_of(copies, &VaultSpec::offsite))
      refuse("prove.pick",
             "names offsite, but neither the vault nor a copy is offsite; say offsite: true of the vault "
             "that is, or add a copy");
  }

  Status end() const {
    if (problems_.empty()) return {};
    return Error(Code::invalid_argument, join(problems_, "; "), "ValidationException");
  }

 private:
  void refuse(const std::string& field, const std::string& why) { problems_.push_back(field + ": " + why); }

  std::string why_not(VaultKind kind) const {
    if (plan_.source.engine == EngineName::pgbackrest && kind == VaultKind::sftp)
      return "; pgBackRest learnt SFTP in 2.46, which Debian 12 does not have: mount the directory, or copy to it";
    if (plan_.source.engine == EngineName::borg) return "; for anything else take the engine restic";
    return {};
  }

  void tls(const VaultSpec& vault, const std::string& at) {
    if (plan_.source.engine == EngineName::pgbackrest && vault.s3 && vault.s3->endpoint.starts_with("http://"))
      refuse(at, quoted(vault) + " has a plain http endpoint, and pgBackRest speaks TLS alone; give it https");
  }

  void lock(const VaultSpec& vault, const KeepRules& keep, const std::string& at, const std::string& schedule) {
    if (!vault.lock || keep.empty()) return;
    auto times = plan_.schedule;
    if (!schedule.empty()) {
      times = {};
      times.full = schedule;
    }
    const auto life = kDay * static_cast<std::int64_t>(vault.lock->days_min);
    const auto reached = reach(keep, longest_interval(times, {}, parts::kAnyMoment));
    if (reached < life)
      refuse(at, (reached > Duration{} ? "reaches back " + humanize(reached) : "promises no age at all") + ", but " +
                     quoted(vault) + " locks each point for " + humanize(life) +
                     ", so nothing would go before; keep longer, or take a vault with a shorter lock");
  }

  const PlanSpec& plan_;
  const EngineRules& rules_;
  std::vector<std::string> problems_;
};

}  // namespace

Status check_plan_with_vaults(const PlanSpec& plan, const VaultSpec& vault, const std::vector<VaultSpec>& copies) {
  Judge judge(plan);
  judge.own(vault);
  for (std::size_t i = 0; i < plan.copies.size(); ++i) {
    const auto found = std::ranges::find(copies, plan.copies[i].vault, &VaultSpec::name);
    judge.copy(i, vault, found == copies.end() ? nullptr : &*found);
  }
  judge.picks(vault, copies);
  return judge.end();
}

}  // namespace belay::backup
