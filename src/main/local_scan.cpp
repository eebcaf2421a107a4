#include "main/local_scan.hpp"

#include <algorithm>
#include <tuple>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/baseline/predefined.hpp"
#include "core/fleet/operating_system.hpp"
#include "core/fleet/problem_text.hpp"

namespace belay {
namespace {

using baseline::PatchState;
using baseline::PatchVerdict;

constexpr Duration kRefreshTimeout{600'000};
constexpr Duration kDescribeTimeout{300'000};
constexpr std::size_t kRowsMax = 200;

struct Column {
  std::string title;
  std::size_t width_max;
};

std::string pad(std::string_view text, std::size_t width) {
  std::string cell(text.substr(0, width));
  return cell + std::string(width - cell.size(), ' ');
}

std::string table(const std::vector<Column>& columns, const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    std::size_t width = columns[c].title.size();
    for (const auto& row : rows) width = std::max(width, std::min(row[c].size(), columns[c].width_max));
    widths.push_back(width);
  }
  std::string text;
  const auto add_row = [&](const auto& cell) {
    std::string line = " ";
    for (std::size_t c = 0; c < columns.size(); ++c) line += " " + pad(cell(c), widths[c]) + " ";
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  };
  add_row([&](std::size_t c) { return columns[c].title; });
  for (const auto& row : rows) add_row([&](std::size_t c) { return row[c]; });
  return text;
}

std::string first_of(const std::vector<std::string>& ids) {
  if (ids.empty()) return "-";
  return ids.size() == 1 ? ids.front() : ids.front() + " +" + std::to_string(ids.size() - 1);
}

std::string or_dash(std::string_view text) { return text.empty() ? "-" : std::string(text); }

std::string patch_rows(const std::vector<PatchVerdict>& verdicts) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& v : verdicts) {
    if (rows.size() == kRowsMax) break;
    const auto& newer = v.wanted_version.empty() && v.held_back ? v.held_back->version : v.wanted_version;
    const auto& advisories = v.wanted_version.empty() && v.held_back ? v.held_back->advisory_ids : v.advisory_ids;
    rows.push_back({v.name + "." + v.arch, v.installed_version, newer,
                    v.security ? "security" : or_dash(to_lower(v.classification)), or_dash(v.severity),
                    first_of(advisories), v.released_at && v.age ? humanize(*v.age) : "unknown"});
  }
  std::string text = table({{"PACKAGE", 44},
                            {"INSTALLED", 30},
                            {"WANTED", 30},
                            {"KIND", 14},
                            {"SEVERITY", 12},
                            {"ADVISORY", 22},
                            {"AGE", 12}},
                           rows);
  if (verdicts.size() > kRowsMax)
    text += "  … and " + std::to_string(verdicts.size() - kRowsMax) + " more (-o json lists all)\n";
  return text;
}

std::string counts_text(const baseline::PatchCounts& counts) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](std::string_view state, std::uint32_t count, std::string_view what) {
    rows.push_back({std::string(state), std::to_string(count), std::string(what)});
  };
  add("Missing", counts.missing, "approved by the baseline, not installed");
  add("Failed", counts.failed, "an installation failed");
  add("AvailableSecurityUpdate", counts.available_security_update, "known, not approved yet");
  add("InstalledPendingReboot", counts.installed_pending_reboot, "takes effect after a reboot");
  add("InstalledRejected", counts.installed_rejected, "installed, and rejected by the baseline");
  add("Installed", counts.installed, "approved and installed");
  add("InstalledOther", counts.installed_other, "installed, not a matter of the baseline");
  return table({{"STATE", 30}, {"PACKAGES", 10}, {"", 60}}, rows);
}

std::string lists_text(const LocalScan& scan) {
  std::optional<Instant> oldest;
  for (const auto& repository : scan.repositories)
    if (repository.fetched_at && (!oldest || *repository.fetched_at < *oldest)) oldest = repository.fetched_at;
  const auto number = std::to_string(scan.repositories.size());
  if (!oldest) return number + " repositories";
  return number + " repositories, lists at most " + humanize(scan.observed_at - *oldest) + " old";
}

std::string pending_text(const fleet::NodeFacts& machine, std::size_t unseen) {
  std::string text = "Reboot:    ";
  text += machine.reboot_required ? "needed: " + join(machine.reboot_reasons, "; ") : "not needed";
  text += "\nRestarts:  ";
  std::vector<std::string> names;
  for (const auto& process : machine.stale_processes) {
    const auto& name = process.service.empty() ? process.command : process.service;
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  constexpr std::size_t kNamesMax = 12;
  const auto more =
      names.size() > kNamesMax ? " and " + std::to_string(names.size() - kNamesMax) + " more" : std::string();
  if (names.size() > kNamesMax) names.resize(kNamesMax);
  if (!names.empty()) text += "old libraries in use by " + join(names, ", ") + more;
  else text += unseen == 0 ? "none seen" : "not known";
  if (unseen > 0) text += "; " + std::to_string(unseen) + " processes could not be looked at without root";
  return text + "\n";
}

json::Value repository_json(const agent::RepositoryState& repository) {
  json::Object object{{"name", repository.name}, {"site", repository.site}};
  if (repository.released_at) object["released_at"] = to_iso8601(*repository.released_at);
  if (repository.valid_until) object["valid_until"] = to_iso8601(*repository.valid_until);
  if (repository.fetched_at) object["fetched_at"] = to_iso8601(*repository.fetched_at);
  return object;
}

void judge(const agent::ScanResult& seen, LocalScan& scan) {
  const auto system = fleet::operating_system_of(scan.machine.os_id, scan.machine.os_version);
  const auto* rules = system ? baseline::predefined_baseline(*system) : nullptr;
  if (!rules) {
    scan.problems.push_back(
        {fleet::Reason::unsupported_system, "", "no baseline is known for " + or_dash(scan.machine.os_name), "", true});
    return;
  }
  scan.baseline_id = rules->id;
  scan.baseline_name = rules->name;
  const auto product = fleet::product_name(*system, scan.machine.os_version);
  baseline::NodeState node;
  node.held = seen.held;
  const baseline::FirstSeen first_seen;
  auto evaluation =
      baseline::evaluate({seen.installed, seen.offers, *rules, product, scan.observed_at, first_seen}, node);
  scan.counts = evaluation.counts;
  for (auto& verdict : evaluation.verdicts) {
    if (verdict.state == PatchState::MISSING || verdict.state == PatchState::FAILED)
      scan.missing.push_back(std::move(verdict));
    else if (verdict.state == PatchState::AVAILABLE_SECURITY_UPDATE) scan.held_back.push_back(std::move(verdict));
  }
  std::ranges::sort(scan.missing, {}, [](const PatchVerdict& v) { return std::tuple(!v.security, v.name, v.arch); });
  scan.judged = std::ranges::none_of(scan.problems, [](const auto& p) { return p.blocks_judgement; });
}

}  // namespace

Result<LocalScan> scan_locally(agent::PackageManager& packages, fleet::NodeFacts machine, Instant now, bool refresh) {
  LocalScan scan;
  scan.machine = std::move(machine);
  scan.observed_at = now;
  if (refresh) {
    BELAY_TRY_ASSIGN(const auto refreshed, packages.refresh(kRefreshTimeout, {}));
    scan.problems = refreshed.problems;
  }
  BELAY_TRY_ASSIGN(auto seen, packages.scan());
  if (agent::may_be_under_way(seen.problems))
    if (const auto other = packages.in_use(); other.ok() && *other) agent::put_down_to(**other, seen.problems);
  if (const auto described = packages.describe_updates(seen, refresh ? kDescribeTimeout : Duration::zero());
      !described.ok())
    scan.problems.push_back({fleet::Reason::metadata_missing, "changelogs", described.error().chain(), "", false});
  scan.repositories = seen.repositories;
  for (const auto& problem : seen.problems)
    if (std::ranges::find(scan.problems, problem) == scan.problems.end()) scan.problems.push_back(problem);
  judge(seen, scan);
  return scan;
}

std::string to_table(const LocalScan& scan) {
  const auto& m = scan.machine;
  std::string text = "Machine:   " + m.computer_name + ", " + or_dash(m.os_name) + ", " + m.architecture + ", kernel " +
                     m.kernel_running + "\n";
  text +=
      "Baseline:  " + (scan.baseline_id.empty() ? "none" : scan.baseline_name + " (" + scan.baseline_id + ")") + "\n";
  text += "Observed:  " + to_iso8601(scan.observed_at) + ", " + lists_text(scan) + "\n";
  text += pending_text(m, scan.processes_unseen);
  text += "Verdict:   ";
  if (!scan.judged) text += "UNKNOWN: it could not be judged, see the problems; the counts are what was seen";
  else
    text += scan.missing.empty() ? "compliant"
                                 : "NON_COMPLIANT: " + std::to_string(scan.missing.size()) + " patches are missing";
  text += "\n\n" + counts_text(scan.counts);
  if (!scan.missing.empty()) text += "\nMissing patches\n" + patch_rows(scan.missing);
  if (!scan.held_back.empty()) text += "\nSecurity updates that the baseline holds back\n" + patch_rows(scan.held_back);
  if (!scan.problems.empty()) text += "\nProblems\n";
  for (const auto& problem : scan.problems) {
    text += "  " + fleet::what_is_wrong(problem) + (problem.next.empty() ? "" : "\n      " + problem.next) +
            std::string(problem.blocks_judgement ? " [blocks the verdict]" : "") + "\n";
  }
  return text;
}

std::string to_json(const LocalScan& scan) {
  json::Array repositories;
  for (const auto& repository : scan.repositories) repositories.push_back(repository_json(repository));
  return json::to_pretty_text(json::Object{
             {"observed_at", to_iso8601(scan.observed_at)},
             {"baseline_id", scan.baseline_id},
             {"baseline_name", scan.baseline_name},
             {"verdict", !scan.judged           ? "UNKNOWN"
                         : scan.missing.empty() ? "COMPLIANT"
                                                : "NON_COMPLIANT"},
             {"counts", json::encode(scan.counts)},
             {"missing", json::encode(scan.missing)},
             {"held_back", json::encode(scan.held_back)},
             {"problems", json::encode(scan.problems)},
             {"repositories", std::move(repositories)},
             {"machine", json::encode(scan.machine)},
             {"processes_unseen", scan.processes_unseen},
         }) +
         "\n";
}

}  // namespace belay
