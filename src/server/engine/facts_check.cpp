#include "server/engine/facts_check.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/text.hpp"

namespace belay::server {
namespace {

constexpr std::size_t kTextMax = 512;        // of a name, a version, an origin
constexpr std::size_t kDetailMax = 2'000;    // of a problem
constexpr std::size_t kItemsMax = 4'096;     // mounts, services, held packages, …
constexpr std::size_t kMountsShownMax = 64;  // of one array, disk or pool
constexpr std::size_t kProblemsMax = 1'000;
constexpr std::size_t kChangesMax = 20'000;
constexpr std::size_t kWhyMax = 64 << 10;           // of a step: a failure may quote what a tool said
constexpr std::size_t kStepOutputSlack = 64 << 10;  // the node's marks of what it cut

Error refuse(std::string_view field, std::string_view what) {
  return Error(Code::invalid_argument, std::string(field) + " " + std::string(what));
}

// For what identifies: no control characters, not too long.
Status check_name(std::string_view text, std::string_view field, std::size_t bytes_max = kTextMax) {
  if (text.size() > bytes_max) return refuse(field, "is longer than " + std::to_string(bytes_max) + " bytes");
  if (!is_valid_utf8(text)) return refuse(field, "is not UTF-8");
  if (std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
    return refuse(field, "holds control characters");
  return {};
}

Status check_names(const std::vector<std::string>& texts, std::string_view field) {
  if (texts.size() > kItemsMax) return refuse(field, "has more than " + std::to_string(kItemsMax) + " entries");
  for (const auto& text : texts) BELAY_TRY(check_name(text, field));
  return {};
}

Status check_count(std::size_t count, std::size_t count_max, std::string_view field) {
  return count > count_max ? Status(refuse(field, "has more than " + std::to_string(count_max) + " entries"))
                           : Status();
}

void clean(std::string& text, std::size_t bytes_max = kTextMax) { text = sanitize(text, bytes_max); }

bool is_hash(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Status check_facts(const fleet::NodeFacts& facts) {
  BELAY_TRY(check_name(facts.computer_name, "computer_name", 255));
  BELAY_TRY(check_name(facts.os_id, "os_id", 64));
  BELAY_TRY(check_name(facts.os_version, "os_version", 64));
  BELAY_TRY(check_name(facts.architecture, "architecture", 64));
  BELAY_TRY(check_name(facts.boot_id, "boot_id", 64));
  BELAY_TRY(check_name(facts.machine_id, "machine_id", 64));
  BELAY_TRY(check_names(facts.kernels_installed, "kernels_installed"));
  BELAY_TRY(check_names(facts.addresses, "addresses"));
  BELAY_TRY(check_count(facts.mounts.size(), kItemsMax, "mounts"));
  BELAY_TRY(check_count(facts.services.size(), kItemsMax, "services"));
  BELAY_TRY(check_count(facts.stale_processes.size(), kItemsMax, "stale_processes"));
  BELAY_TRY(check_count(facts.reboot_reasons.size(), kItemsMax, "reboot_reasons"));
  BELAY_TRY(check_count(facts.storage.size(), kItemsMax, "storage"));
  return {};
}

fleet::NodeFacts cleaned(fleet::NodeFacts facts) {
  for (auto* text : {&facts.computer_name, &facts.os_id, &facts.os_version, &facts.os_codename, &facts.os_name,
                     &facts.architecture, &facts.kernel_running, &facts.boot_id, &facts.machine_id})
    clean(*text);
  for (auto& mount : facts.mounts) clean(mount.path), clean(mount.device), clean(mount.type);
  for (auto& service : facts.services) clean(service.name), clean(service.active);
  for (auto& reason : facts.reboot_reasons) clean(reason);
  if (facts.storage.size() > fleet::kStorageMax) facts.storage.resize(fleet::kStorageMax);
  for (auto& health : facts.storage) {
    clean(health.what), clean(health.subject), clean(health.detail);
    if (health.mounts.size() > kMountsShownMax) health.mounts.resize(kMountsShownMax);
    for (auto& mount : health.mounts) clean(mount);
  }
  for (auto& process : facts.stale_processes) {
    clean(process.command);
    clean(process.service);
    if (process.libraries.size() > 64) process.libraries.resize(64);
    for (auto& library : process.libraries) clean(library);
  }
  return facts;
}

std::vector<fleet::Problem> cleaned(std::vector<fleet::Problem> problems) {
  for (auto& problem : problems)
    clean(problem.subject), clean(problem.detail, kDetailMax), clean(problem.next, kDetailMax);
  return problems;
}

Status check_report(const wire::ScanReport& report) {
  if (!is_uuid(report.scan_id)) return refuse("scan_id", "is no UUID");
  if (!report.order_id.empty() && !is_uuid(report.order_id)) return refuse("order_id", "is no UUID");
  if (!is_hash(report.package_set_hash)) return refuse("package_set_hash", "is no SHA-256");
  if (!is_hash(report.offer_set_hash)) return refuse("offer_set_hash", "is no SHA-256");
  if (report.packages > wire::kPackagesMax || report.offers > wire::kPackagesMax)
    return refuse("packages", "is over " + std::to_string(wire::kPackagesMax));
  BELAY_TRY(check_names(report.held, "held"));
  BELAY_TRY(check_count(report.repositories.size(), kItemsMax, "repositories"));
  for (const auto& repository : report.repositories) {
    BELAY_TRY(check_name(repository.name, "repositories.name"));
    BELAY_TRY(check_name(repository.site, "repositories.site"));
  }
  BELAY_TRY(check_count(report.problems.size(), kProblemsMax, "problems"));
  return check_facts(report.facts);
}

Status check_set(const fleet::PackageSet& set) {
  BELAY_TRY(check_count(set.packages.size(), wire::kPackagesMax, "packages"));
  for (const auto& package : set.packages) {
    if (package.name.empty()) return refuse("packages.name", "is empty");
    BELAY_TRY(check_name(package.name, "packages.name"));
    BELAY_TRY(check_name(package.arch, "packages.arch"));
    BELAY_TRY(check_name(package.version, "packages.version"));
  }
  return {};
}

Status check_set(const fleet::OfferSet& set) {
  BELAY_TRY(check_count(set.offers.size(), wire::kPackagesMax, "offers"));
  for (const auto& offer : set.offers) {
    if (offer.name.empty()) return refuse("offers.name", "is empty");
    for (const auto* text :
         {&offer.name, &offer.arch, &offer.version, &offer.origin, &offer.label, &offer.suite, &offer.codename,
          &offer.component, &offer.site, &offer.section, &offer.priority, &offer.classification, &offer.severity})
      BELAY_TRY(check_name(*text, "offers"));
    if (!offer.sha256.empty() && !is_hash(offer.sha256)) return refuse("offers.sha256", "is no SHA-256");
    BELAY_TRY(check_names(offer.advisory_ids, "offers.advisory_ids"));
    BELAY_TRY(check_names(offer.cve_ids, "offers.cve_ids"));
    BELAY_TRY(check_names(offer.bugzilla_ids, "offers.bugzilla_ids"));
  }
  return {};
}

Status check_steps(const wire::StepsReport& report) {
  BELAY_TRY(check_count(report.run.steps.size(), 2 * document::kStepsMax, "steps.run.steps"));
  BELAY_TRY(check_count(report.outputs.size(), 2 * document::kStepsMax, "steps.outputs"));
  if (report.local_document.size() > document::kDocumentBytesMax)
    return refuse("steps.local_document", "is over " + std::to_string(document::kDocumentBytesMax) + " bytes");
  std::size_t bytes = 0;
  for (const auto& output : report.outputs) bytes += output.standard_output.size() + output.standard_error.size();
  if (bytes > wire::kStepOutputsBytesMax + kStepOutputSlack)
    return refuse("steps.outputs", "are over " + std::to_string(wire::kStepOutputsBytesMax) + " bytes together");
  BELAY_TRY(check_count(report.inventory.size(), inventory::kReportItemsMax, "steps.inventory"));
  for (const auto& step : report.run.steps)
    if (step.why.size() > kWhyMax) return refuse("steps.run.steps.why", "is too long");
  return {};
}

namespace {

Status check_changes(const std::vector<fleet::PackageChange>& changes, std::string_view field) {
  BELAY_TRY(check_count(changes.size(), kChangesMax, field));
  for (const auto& change : changes)
    for (const auto* text : {&change.name, &change.arch, &change.from_version, &change.to_version, &change.sha256})
      BELAY_TRY(check_name(*text, field));
  return {};
}

Status check_run(const patchrun::PatchRunReport& run) {
  BELAY_TRY(check_changes(run.changed, "run.changed"));
  BELAY_TRY(check_count(run.problems.size(), kProblemsMax, "run.problems"));
  BELAY_TRY(check_count(run.steps.size(), kItemsMax, "run.steps"));
  if (run.output.size() > 2 * wire::kOutputBytesMax) return refuse("run.output", "is too long");
  BELAY_TRY(check_count(run.probe_turns.size(), patchrun::kProbeTurnsMax, "run.probe_turns"));
  BELAY_TRY(check_count(run.rungs.size(), kItemsMax, "run.rungs"));
  if (run.failure_log.size() > 2 * patchrun::kFailureLogBytesMax) return refuse("run.failure_log", "is too long");
  const auto& way = run.way_back;
  for (const auto* list : {&way.held, &way.snapshots, &way.why_not_more})
    BELAY_TRY(check_count(list->size(), kChangesMax, "run.way_back"));
  BELAY_TRY(check_name(run.undoes, "run.undoes"));
  BELAY_TRY(check_name(run.still_ill, "run.still_ill"));
  return {};
}

}  // namespace

Status check_association_ids(const std::vector<std::string>& ids) {
  BELAY_TRY(check_count(ids.size(), kItemsMax, "association_ids"));
  for (const auto& id : ids) BELAY_TRY(check_name(id, "association_ids"));
  return {};
}

Status check_taken_up(const wire::Hello& hello) {
  if (hello.associations_hash && !hello.associations_hash->empty() && !is_hash(*hello.associations_hash))
    return refuse("associations_hash", "is no SHA-256");
  BELAY_TRY(check_count(hello.taken_up.size(), 2 * wire::kAssociationsMax, "taken_up"));
  for (const auto& due : hello.taken_up) BELAY_TRY(check_name(due.association_id, "taken_up.association_id"));
  return {};
}

namespace {

constexpr std::size_t kNeedsMax = 4'096, kRemarksMax = 200, kPhasesMax = 200;
constexpr std::size_t kSubjectMax = 8'192;  // a path, at the longest

Status check_references(const std::vector<std::string>& references, std::size_t count_max, std::string_view field) {
  BELAY_TRY(check_count(references.size(), count_max, field));
  for (const auto& reference : references)
    if (!backup::is_reference(reference)) return refuse(field, "is no name of a point: " + sanitize(reference, 100));
  return {};
}

Status check_point(const backup::MadePoint& point) {
  BELAY_TRY(check_references({point.reference}, 1, "backup.points.reference"));
  BELAY_TRY(check_references(point.needs, kNeedsMax, "backup.points.needs"));
  BELAY_TRY(check_count(point.fingerprints.size(), backup::kFingerprintsMax, "backup.points.fingerprints"));
  for (const auto& print : point.fingerprints) {
    if (print.subject.size() > kSubjectMax) return refuse("backup.points.fingerprints.subject", "is too long");
    BELAY_TRY(check_name(print.checksum, "backup.points.fingerprints.checksum"));
  }
  BELAY_TRY(check_name(point.position, "backup.points.position"));
  BELAY_TRY(check_name(point.drive, "backup.points.drive"));
  BELAY_TRY(check_name(point.engine_version, "backup.points.engine_version"));
  BELAY_TRY(check_name(point.server_version, "backup.points.server_version"));
  return check_count(point.remarks.size(), kRemarksMax, "backup.points.remarks");
}

// What the engine's own tools will be told again, perhaps on another node, is a name and nothing else.
Status check_backup(const backup::JobReport& report) {
  BELAY_TRY(check_count(report.points.size(), backup::kReportedPointsMax, "backup.points"));
  for (const auto& point : report.points) BELAY_TRY(check_point(point));
  BELAY_TRY(check_references(report.forgotten, backup::kReportedPointsMax, "backup.forgotten"));
  BELAY_TRY(check_name(report.drive, "backup.drive"));
  BELAY_TRY(check_count(report.evidence.size(), backup::kEvidenceMax, "backup.evidence"));
  BELAY_TRY(check_count(report.phases.size(), kPhasesMax, "backup.phases"));
  BELAY_TRY(check_count(report.problems.size(), kProblemsMax, "backup.problems"));
  BELAY_TRY(check_count(report.put_aside.size(), kNeedsMax, "backup.put_aside"));
  for (const auto& place : report.put_aside)
    if (place.size() > kSubjectMax) return refuse("backup.put_aside", "is too long");
  if (report.output.size() > wire::kOutputBytesMax)
    return refuse("backup.output", "is over " + std::to_string(wire::kOutputBytesMax) + " bytes");
  return {};
}

}  // namespace

Status check_result(const wire::OrderResult& result) {
  if (!is_uuid(result.order_id)) return refuse("order_id", "is no UUID");
  if (result.due) BELAY_TRY(check_name(result.due->association_id, "due.association_id"));
  if (result.standard_output.size() > wire::kOutputBytesMax || result.standard_error.size() > wire::kOutputBytesMax)
    return refuse("standard_output", "is over " + std::to_string(wire::kOutputBytesMax) + " bytes");
  BELAY_TRY(check_count(result.problems.size(), kProblemsMax, "problems"));
  if (result.plan) BELAY_TRY(check_changes(result.plan->changes, "plan.changes"));
  if (result.steps) BELAY_TRY(check_steps(*result.steps));
  if (result.backup) BELAY_TRY(check_backup(*result.backup));
  return result.run ? check_run(*result.run) : Status();
}

Status check_own_run(const wire::OwnRun& own) {
  if (!is_uuid(own.run_id)) return refuse("run_id", "is no UUID");
  if (!is_uuid(own.undoes)) return refuse("undoes", "is no UUID");
  return check_run(own.run);
}

}  // namespace belay::server
