#include "agent/backup/mariadb_making.hpp"

#include "agent/backup/mariadb_drill.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

constexpr int kCountTries = 3;

// What cannot hold a comma stands in a tag without.
std::string for_tag(std::string_view text) {
  std::string clean;
  for (const char c : text)
    if (c != ',' && c != '\n') clean += c;
  return clean;
}

std::string joined(const std::vector<std::string>& labels) { return join(labels, "+"); }

std::string about_text(const Source& source, const LogPosition& from, const Fingerprints& prints, Instant counted_at) {
  std::string text = "server_version = " + source.version_text + "\nfrom = " + text_of(from) +
                     "\nmarker = " + text_of(prints.at) + "\nmarker_at = " + std::to_string(to_unix_ms(counted_at)) +
                     "\n";
  for (const char* name : {"lower_case_table_names", "character_set_server", "collation_server"})
    text += std::string(name) + " = " + source.variable(name) + "\n";
  return text;
}

}  // namespace

Result<Making> Making::begin(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                             const std::string& option_file, const std::vector<std::string>& tools) {
  Making making;
  BELAY_TRY_ASSIGN(making.source, open_source(host, job, option_file));
  BELAY_TRY_ASSIGN(making.tool, program_for(host, job, tools, making.source.version_text));
  BELAY_TRY_ASSIGN(auto opened, OpenRepository::open(host, job, job.vault, secrets, {}, true));
  making.repository.emplace(std::move(opened));
  making.repository->note(host, job);
  BELAY_TRY_ASSIGN(making.all, (*making.repository)->snapshots());
  Call what;
  what.argv = {"du", "--summarize", "--bytes", "--one-file-system", making.source.data_directory()};
  what.timeout = kReadAllTimeout;
  BELAY_TRY_ASSIGN(const auto outcome, call(host, job, std::move(what)));  // ends with 1 where a file went meanwhile
  const auto& said = outcome.standard_output;
  making.bytes = to_number(said.substr(0, said.find('\t'))).value_or(0);
  if (making.bytes == 0)
    return Error(Code::internal,
                 "cannot see how large " + making.source.data_directory() + " is: " + how_it_ended(outcome));
  if (!making.source.logs) return making;
  making.archived = load_archived(host, job.plan_id, making.all);
  BELAY_TRY_ASSIGN(const auto server, flush_logs(making.source));
  if (!is_another_sequence(making.archived, server)) return making;
  Archived anew;
  anew.epoch = std::to_string(to_unix_ms(host.clock.now()));
  if (making.archived.last != 0) {
    note_gap(making.archived, host.clock.now());
    anew.gaps = std::move(making.archived.gaps);
    making.remarks.push_back("the server's binary logs began anew since " + to_iso8601(making.archived.until) +
                             ": no point in time across that can be restored");
  }
  making.archived = std::move(anew);
  return making;
}

Result<Fingerprints> Making::count() const {
  const bool often = source.client.job->type == backup::BackupType::incremental;
  auto taken = take_fingerprints(source.client, tables_, source.logs_are_complete,
                                 often ? kCountedBytesMaxOften : kCountedBytesMax);
  if (!taken.ok()) return taken;
  taken->of.push_back(count_of(tables_));
  return taken;
}

Status Making::count_before() {
  const auto& job = *source.client.job;
  if (!job.source.heartbeat.empty() && source.variable("read_only") == "OFF")
    if (const auto beaten = beat(source.client, job.source.heartbeat, source.client.host->clock.now()); !beaten.ok())
      remarks.push_back(beaten.error().chain());
  if (source.logs_are_complete) return {};
  BELAY_TRY_ASSIGN(tables_, tables_of(source.client, job.source.databases));
  if (const auto counted = count(); counted.ok()) before_ = *counted;
  return {};
}

Status Making::keep(const std::string& directory, std::vector<std::string> paths, backup::MadePoint point,
                    const LogPosition& from, std::vector<std::string> more_tags, backup::JobReport& report) {
  const auto& host = *source.client.host;
  const auto& job = *source.client.job;
  Result<Fingerprints> counted = Fingerprints();
  Instant counted_at{};
  for (int i = 0; i < kCountTries; ++i) {  // a table that was dropped meanwhile ends the count
    BELAY_TRY_ASSIGN(tables_, tables_of(source.client, job.source.databases));
    counted_at = host.clock.now();
    counted = count();
    if (counted.ok()) break;
  }
  auto prints = !counted.ok()              ? Fingerprints()
                : source.logs_are_complete ? std::move(*counted)
                                           : unchanged(before_, *counted);
  if (!counted.ok())
    remarks.push_back("nothing could be counted, so nothing can be compared: " + counted.error().chain());
  if (source.logs) {
    BELAY_TRY(archive_logs(source, **repository, from, archived, remarks).within("cannot archive the binary logs"));
    if (point.type == backup::BackupType::full && !archived.gap.empty()) {  // it lies before this point
      archived.gap.clear();
      BELAY_TRY(remember(host, job.plan_id, archived));
    }
    if (!source.logs_are_complete) remarks.push_back(source.why_incomplete);
  } else if (job.source.logs) {
    remarks.push_back("the server keeps no binary logs (log_bin is off): no point in time can be restored");
  }
  BELAY_TRY(host.files.write_durable(directory + "/" + kAboutFile, about_text(source, from, prints, counted_at), 0600));
  paths.emplace_back(kAboutFile);
  StoreWhat what;
  what.must_exist = what.paths = std::move(paths);
  what.relative_to = directory;
  const auto add = [&](const char* name, std::string_view value) {
    if (!value.empty()) what.tags.push_back(std::string(name) + "=" + for_tag(value));
  };
  point.server_version = source.version_text;
  if (tool.version) point.engine_version = text_of(*tool.version);
  point.bytes_source = bytes;
  what.tags = std::move(more_tags);
  what.tags.insert(what.tags.begin(), "belay");
  add("engine", backup::text_of(job.source.engine));
  add("point", point.reference);
  add("needs", joined(point.needs));
  add("begun", std::to_string(to_unix_ms(point.begun_at)));
  add("taken", std::to_string(to_unix_ms(point.taken_at)));
  add("bytes", std::to_string(bytes));
  add("server", point.server_version);
  add("tool", point.engine_version);
  add("identity", source.identity);
  if (source.logs) add("epoch", archived.epoch);
  if (!from.file.empty()) add("log", from.file + ":" + std::to_string(from.offset));
  BELAY_TRY_ASSIGN(const auto stored, (*repository)->store(what));
  if (stored.partial)
    return Error(Code::corrupt, "not all of the copy came into the repository: " +
                                    (stored.unreadable.empty() ? std::string("unknown") : stored.unreadable.front()));
  pass(report, backup::ProofLevel::P1, "stored", "snapshot " + stored.snapshot_id);
  point.bytes_added = stored.bytes_added;
  point.files = stored.files;
  point.fingerprints = std::move(prints.of);
  for (const auto& print : point.fingerprints)
    if (print.subject != "tables") point.rows += print.rows;
  point.remarks = std::move(remarks);
  point.remarks.insert(point.remarks.end(), prints.remarks.begin(), prints.remarks.end());
  report.bytes = stored.bytes_source;
  report.files = stored.files;
  report.points.push_back(std::move(point));
  repository->measure(report);
  return {};
}

}  // namespace belay::agent::backups::mariadb
