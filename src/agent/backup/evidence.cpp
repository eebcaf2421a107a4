#include <algorithm>
#include <charconv>

#include "agent/backup/tools.hpp"
#include "base/text.hpp"

namespace belay::agent::backups {
namespace {

using backup::Check;
using backup::JobReport;
using backup::ProofLevel;

constexpr std::size_t kShownBytesMax = 300;
constexpr std::size_t kDifferencesShownMax = 20;

std::string name_of(const Check& check) {
  if (!check.name.empty()) return check.name;
  if (!check.sql.empty()) return sanitize(check.sql, kShownBytesMax);
  if (!check.file.empty()) return check.file;
  return sanitize(join(check.command, " "), kShownBytesMax);
}

std::string wanted(const Check& check) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (check.at_least) add("at least " + std::to_string(*check.at_least));
  if (check.at_most) add("at most " + std::to_string(*check.at_most));
  if (check.equals) add("exactly \"" + sanitize(*check.equals, kShownBytesMax) + "\"");
  return text;
}

bool holds(const Check& check, std::string_view answer) {
  if (check.equals && answer != *check.equals) return false;
  if (!check.at_least && !check.at_most) return true;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(answer.data(), answer.data() + answer.size(), number);
  if (error != std::errc() || end != answer.data() + answer.size()) return false;
  return (!check.at_least || number >= *check.at_least) && (!check.at_most || number <= *check.at_most);
}

Result<std::string> ask_command(const BackupHost& host, const backup::Job& job, const Check& check,
                                const std::string& root,
                                const std::function<Result<io::ProcessOutcome>(Call)>& run_isolated) {
  Call what;
  what.argv = check.command;
  what.environment = {{"BELAY_RESTORED", root}};
  what.timeout = check.timeout;
  what.directory = root;
  if (!run_isolated) {
    what.user = kNobody;
    what.reads_all = what.isolated = true;
  }
  BELAY_TRY_ASSIGN(const auto outcome, run_isolated ? run_isolated(std::move(what)) : call(host, job, std::move(what)));
  if (!outcome.success()) return error_of(outcome);
  return std::string(trim(split(outcome.standard_output, '\n').front()));
}

Result<std::string> ask_file(const BackupHost& host, const Check& check, const std::string& root) {
  const auto path = root + (check.file.starts_with('/') ? "" : "/") + check.file;
  // A link on the way may lead out of what was restored, to the file of the machine itself.
  for (auto slash = path.find('/', root.size() + 1); slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const auto above = host.files.info(path.substr(0, slash));
    if (above.ok() && above->kind == io::FileInfo::Kind::symlink)
      return Error(Code::invalid_argument,
                   path.substr(root.size(), slash - root.size()) + " is a link; name the place that it points to");
  }
  const auto info = host.files.info(path);
  if (!info.ok()) return Error(info.error().code(), check.file + " is not in what was restored");
  return std::to_string(info->bytes);
}

Result<std::string> answer_of(const BackupHost& host, const backup::Job& job, const Check& check,
                              const std::string& root, const std::function<Result<std::string>(const Check&)>& ask,
                              const std::function<Result<io::ProcessOutcome>(Call)>& run_isolated) {
  if (!check.sql.empty()) {
    if (ask) return ask(check);
    return Error(Code::unsupported, "this source answers no SQL");
  }
  if (!check.command.empty()) return ask_command(host, job, check, root, run_isolated);
  if (!check.file.empty()) return ask_file(host, check, root);
  return Error(Code::invalid_argument, "the check asks nothing");
}

}  // namespace

void pass(JobReport& report, ProofLevel level, std::string what, std::string seen) {
  report.evidence.push_back({.level = level, .what = std::move(what), .passed = true, .seen = std::move(seen)});
}

void fail(JobReport& report, ProofLevel level, std::string what, std::string seen) {
  report.outcome = backup::JobOutcome::failed;
  report.why += (report.why.empty() ? "" : "; ") + what + ": " + seen;
  report.evidence.push_back({.level = level, .what = std::move(what), .passed = false, .seen = std::move(seen)});
}

void could_not(JobReport& report, ProofLevel level, std::string what, std::string why) {
  fail(report, level, std::move(what), std::move(why));
  report.evidence.back().looked_at = false;
}

bool blames_nobody(const Error& error) {
  switch (error.code()) {
    case Code::cancelled:
    case Code::timed_out:
    case Code::unavailable:
    case Code::resource_exhausted:
    case Code::unsupported: return true;
    default: break;
  }
  constexpr std::string_view kOfThePlace[] = {"program-missing",   "program-too-old", "repository-busy",
                                              "repository-locked", "wrong-major",     "vault-refused",
                                              "wrong-key",         "no-user"};
  return std::ranges::find(kOfThePlace, error.reason()) != std::end(kOfThePlace);
}

void fail(JobReport& report, ProofLevel level, std::string what, const Error& error) {
  fail(report, level, std::move(what), error.chain());
  report.evidence.back().looked_at = !blames_nobody(error);
}

JobReport failed(backup::Task task, const Error& error) {
  JobReport report;
  report.task = task;
  report.outcome = backup::JobOutcome::failed;
  report.why = error.chain();
  const bool full = error.reason() == "vault-full" || error.reason() == "no-room";
  report.problems.push_back({.reason = full ? fleet::Reason::disk_full : fleet::Reason::other,
                             .subject = error.reason(),
                             .detail = error.chain(),
                             .next = {},
                             .blocks_judgement = false});
  return report;
}

void Stopwatch::begin(std::string phase) {
  end();
  phase_ = std::move(phase);
  begun_ = clock_.monotonic();
}

void Stopwatch::end() {
  if (phase_.empty()) return;
  report_.phases.push_back({.name = std::exchange(phase_, std::string()), .took = clock_.monotonic() - begun_});
}

void run_checks(const BackupHost& host, const backup::Job& job, JobReport& report, const std::string& restored_root,
                const std::function<Result<std::string>(const Check&)>& ask,
                const std::function<Result<io::ProcessOutcome>(Call)>& run_isolated) {
  for (const auto& check : job.checks) {
    const auto answer = answer_of(host, job, check, restored_root, ask, run_isolated);
    if (!answer.ok()) {
      fail(report, ProofLevel::P5, name_of(check), answer.error());
      continue;
    }
    const auto want = wanted(check);
    const auto seen = sanitize(*answer, kShownBytesMax) + (want.empty() ? "" : " (wanted: " + want + ")");
    if (holds(check, *answer)) pass(report, ProofLevel::P5, name_of(check), seen);
    else fail(report, ProofLevel::P5, name_of(check), seen);
  }
}

void compare(JobReport& report, const std::vector<backup::Fingerprint>& then,
             const std::vector<backup::Fingerprint>& now) {
  if (then.empty())
    return fail(report, ProofLevel::P3, "comparison",
                "nothing was noted down when the point was made, so there is nothing to compare with");
  std::map<std::string_view, const backup::Fingerprint*> found;
  for (const auto& print : now) found[print.subject] = &print;
  std::size_t same = 0, different = 0;
  for (const auto& print : then) {
    const auto place = found.find(print.subject);
    std::string why;
    if (place == found.end()) why = "is not in what was restored";
    else if (place->second->rows != print.rows)
      why = "has " + std::to_string(place->second->rows) + ", and had " + std::to_string(print.rows) +
            " when the point was made";
    else if (!print.checksum.empty() && place->second->checksum != print.checksum)
      why = "has another content than when the point was made";
    if (why.empty()) ++same;
    else if (++different <= kDifferencesShownMax) fail(report, ProofLevel::P3, print.subject, why);
  }
  const auto summary = std::to_string(same) + " of " + std::to_string(then.size()) + " as when the point was made";
  if (different == 0) pass(report, ProofLevel::P3, "comparison", summary);
  else fail(report, ProofLevel::P3, "comparison", summary);
}

}  // namespace belay::agent::backups
