#include "cli/report_text.hpp"

#include <algorithm>
#include <vector>

#include "base/text.hpp"

namespace belay::cli {
namespace {

constexpr std::size_t kLogLinesMax = 25;

std::string text_of(const json::Value& value, std::string_view member) {
  return sanitize(json::text_or_empty(value, member), 4'000);
}

const json::Array& list_of(const json::Value& value, std::string_view member) {
  static const json::Array none;
  const auto* found = json::find(value, member);
  const auto* list = found ? found->if_array() : nullptr;
  return list ? *list : none;
}

// "2026-11-27T15:32:46.076Z" as "15:32:46".
std::string clock_of(const std::string& instant) { return instant.size() >= 19 ? instant.substr(11, 8) : instant; }

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.append(width - text.size(), ' ');
  return text;
}

struct Moment {
  std::string at, what, detail;
  std::size_t place = 0;  // where it stood, for those of the same instant
};

// Steps of the run and turns of its probes, in one line of time.
std::vector<Moment> moments_of(const json::Value& failure) {
  std::vector<Moment> all;
  for (const auto& step : list_of(failure, "TimeLine"))
    all.push_back({text_of(step, "At"), text_of(step, "What"), text_of(step, "Detail"), all.size()});
  for (const auto& turn : list_of(failure, "ProbeTurns")) {
    const auto* healthy = json::find(turn, "Healthy");
    const bool well = healthy && healthy->is_bool() && healthy->get_bool();
    all.push_back({text_of(turn, "At"), "probe " + text_of(turn, "Probe"),
                   std::string(well ? "healthy: " : "ILL: ") + text_of(turn, "Detail"), all.size()});
  }
  std::ranges::sort(all, {}, [](const Moment& moment) { return std::pair(moment.at, moment.place); });
  return all;
}

void add_log(std::string& out, std::string_view title, const std::string& log) {
  if (log.empty()) return;
  const auto lines = split(log, '\n');
  out += "    " + std::string(title) + ":\n";
  const std::size_t from = lines.size() > kLogLinesMax ? lines.size() - kLogLinesMax : 0;
  if (from > 0) out += "      (" + std::to_string(from) + " lines before)\n";
  for (std::size_t i = from; i < lines.size(); ++i)
    if (!lines[i].empty()) out += "      " + sanitize(std::string(lines[i]), 300) + "\n";
}

void add_failure(std::string& out, const json::Value& failure) {
  out +=
      "  " + text_of(failure, "InstanceId") + " " + text_of(failure, "State") + ": " + text_of(failure, "Why") + "\n";
  std::vector<std::string> rungs;
  for (const auto& rung : list_of(failure, "Rungs"))
    if (rung.is_string()) rungs.push_back(sanitize(std::string(rung.get_string()), 60));
  if (!rungs.empty()) out += "    way back: " + join(rungs, ", then ") + "\n";
  if (const auto* data = json::find(failure, "Data"); data && !text_of(*data, "Told").empty())
    out += "    " + text_of(*data, "Told") + "\n";
  for (const auto& moment : moments_of(failure))
    out += "    " + clock_of(moment.at) + "  " + padded(moment.what, 20) + " " + moment.detail + "\n";
  add_log(out, "the journal around it", json::text_or_empty(failure, "Journal"));
}

}  // namespace

std::string report_text(const json::Value& report) {
  std::string out =
      text_of(report, "RolloutId") + " " + text_of(report, "Name") + ": " + text_of(report, "State") + "\n";
  if (const auto why = text_of(report, "Why"); !why.empty()) out += "  " + why + "\n";
  out += "  change set " + text_of(report, "ChangeSetId") + ", made by " + text_of(report, "CreatedBy") + "; started " +
         text_of(report, "StartedAt");
  if (const auto ended = text_of(report, "FinishedAt"); !ended.empty()) out += ", ended " + ended;
  out += "\n";
  for (const auto& ring : list_of(report, "Rings"))
    out += "  ring " + text_of(ring, "name") + ": " + text_of(ring, "state") +
           (text_of(ring, "why").empty() ? "" : ", " + text_of(ring, "why")) + "\n";
  if (!list_of(report, "Failures").empty()) out += "\nWhat failed\n";
  for (const auto& failure : list_of(report, "Failures")) add_failure(out, failure);
  if (!list_of(report, "Suspects").empty()) out += "\nSuspects, the likeliest first\n";
  for (const auto& suspect : list_of(report, "Suspects"))
    out +=
        "  " + text_of(suspect, "Package") + " " + text_of(suspect, "Version") + ": " + text_of(suspect, "Why") + "\n";
  if (!list_of(report, "Advice").empty()) out += "\nWhat to change\n";
  for (const auto& advice : list_of(report, "Advice"))
    if (advice.is_string()) out += "  - " + sanitize(std::string(advice.get_string()), 1'000) + "\n";
  return out;
}

}  // namespace belay::cli
