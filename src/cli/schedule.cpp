#include <charconv>
#include <iostream>

#include "base/error_table.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/output.hpp"
#include "core/calendar/calendar.hpp"
#include "core/schedule/window.hpp"
#include "io/files.hpp"
#include "io/system_clock.hpp"
#include "io/zone_files.hpp"

namespace belay::cli {
namespace {

Result<std::string> read_zone(std::string_view name) { return io::read_zone_file(io::real_files(), name); }

Result<int> number_of(const Arguments& arguments, std::string_view option, int least, int most) {
  const std::string text = arguments.one(option);
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size() || number < least || number > most)
    return Error(Code::invalid_argument, "--" + std::string(option) + " is '" + text + "'; write a number from " +
                                             std::to_string(least) + " to " + std::to_string(most));
  return number;
}

// What was asked for, read and checked.
struct Question {
  schedule::Schedule schedule;
  schedule::ZoneRules rules;
  std::optional<schedule::Window> window;  // with --duration
  std::vector<calendar::Calendar> calendars;
  Instant after{};
  int count = 0;
};

Status read_window(Question& question, const Arguments& arguments) {
  if (!arguments.has("duration")) {
    if (arguments.has("cutoff")) return Error(Code::invalid_argument, "--cutoff needs --duration");
    const bool association = arguments.has("association");
    return schedule::validate(question.schedule, question.rules,
                              association ? schedule::kAssociationRules : schedule::kAnyRules, question.after);
  }
  if (arguments.has("association"))
    return Error(Code::invalid_argument, "--duration is a window's; leave it or --association out");
  schedule::Window window{question.schedule, 0, 0};
  BELAY_TRY_ASSIGN(const int duration_h, number_of(arguments, "duration", 1, 24));
  window.duration_h = static_cast<unsigned>(duration_h);
  if (arguments.has("cutoff")) {
    BELAY_TRY_ASSIGN(const int cutoff_h, number_of(arguments, "cutoff", 0, 23));
    window.cutoff_h = static_cast<unsigned>(cutoff_h);
  }
  question.window = window;
  return schedule::validate(window, question.rules, question.after);
}

Result<Question> read_question(const Arguments& arguments) {
  Question question;
  question.after = floor<std::chrono::seconds>(io::system_clock().now());
  if (arguments.has("after")) {
    BELAY_TRY_ASSIGN(question.after, parse_iso8601(arguments.one("after")).within("--after"));
  }
  BELAY_TRY_ASSIGN(question.count, number_of(arguments, "count", 1, schedule::kOccurrencesMax));
  schedule::ScheduleText text{arguments.one("EXPRESSION"), arguments.one("timezone"), std::nullopt,
                              arguments.one("start-date"), arguments.one("end-date")};
  if (arguments.has("offset")) {
    BELAY_TRY_ASSIGN(text.offset_days, number_of(arguments, "offset", 1, 6));
  }
  BELAY_TRY_ASSIGN(question.schedule, schedule::parse_schedule(text, question.after));
  BELAY_TRY_ASSIGN(question.rules, schedule::zone_of(question.schedule.timezone, read_zone).within("--timezone"));
  BELAY_TRY(read_window(question, arguments));
  for (const auto& path : arguments.all("calendar")) {
    BELAY_TRY_ASSIGN(const auto bytes, io::real_files().read(path, calendar::kCalendarBytesMax));
    BELAY_TRY_ASSIGN(auto parsed, calendar::parse_calendar(path, bytes, read_zone));
    question.calendars.push_back(std::move(parsed));
  }
  return question;
}

std::string local_cell(const Question& question, Instant at) {
  std::string text = schedule::to_local_iso8601(question.rules, at);
  text[10] = ' ';
  return text;
}

std::string hold_text(const std::vector<calendar::Hold>& holds) {
  if (holds.empty()) return "-";
  std::vector<std::string> texts;
  for (const auto& hold : holds)
    texts.push_back(hold.calendar + (hold.event.empty() ? "" : " (" + hold.event + ")") +
                    (hold.until ? " until " + to_iso8601(*hold.until) : ""));
  return join(texts, ", ");
}

struct Answer {
  Table table{{"LOCAL", "UTC"}, {}};
  json::Array list;
};

void add_occurrence(Answer& answer, const Question& question, Instant due) {
  std::vector<std::string> row{local_cell(question, due), to_iso8601(due)};
  json::Object entry{{"Local", schedule::to_local_iso8601(question.rules, due)}, {"Utc", to_iso8601(due)}};
  if (question.window) {
    const auto opening = schedule::opening_at(*question.window, question.rules, due);
    row.push_back(local_cell(question, opening.cutoff));
    row.push_back(local_cell(question, opening.closes));
    entry["Cutoff"] = to_iso8601(opening.cutoff);
    entry["Closes"] = to_iso8601(opening.closes);
  }
  if (!question.calendars.empty()) {
    const auto holds = calendar::held_by(question.calendars, due);
    row.push_back(hold_text(holds));
    json::Array held;
    for (const auto& hold : holds) {
      json::Object one{{"Calendar", hold.calendar}, {"Event", hold.event}};
      if (hold.until) one["Until"] = to_iso8601(*hold.until);
      held.push_back(one);
    }
    entry["HeldBy"] = held;
  }
  answer.table.rows.push_back(std::move(row));
  answer.list.push_back(entry);
}

Result<int> next(Context& context, const Arguments& arguments) {
  BELAY_TRY_ASSIGN(const Question question, read_question(arguments));
  Answer answer;
  if (question.window) answer.table.columns.insert(answer.table.columns.end(), {"LAST START", "CLOSES"});
  if (!question.calendars.empty()) answer.table.columns.push_back("HELD BY");
  const auto due = schedule::occurrences(question.schedule, question.rules, question.after,
                                         static_cast<std::size_t>(question.count));
  for (const Instant at : due) add_occurrence(answer, question, at);
  json::Array skipped;
  for (const auto& time : schedule::skipped_times(question.schedule, question.rules, question.after, due.back())) {
    const std::string local = to_iso8601(Instant{time.local.time_since_epoch()}).substr(0, 19);
    skipped.push_back(json::Object{{"Local", local}, {"ClocksChangeAt", to_iso8601(time.clocks_change_at)}});
    if (context.format == Format::table)
      std::cerr << "note: " << local << " never is in " << question.schedule.timezone
                << ": the clocks are put forward over it, and it is left out\n";
  }
  print(context, answer.table,
        json::Object{{"Schedule", question.schedule.expression.text},
                     {"Timezone", question.schedule.timezone},
                     {"Occurrences", answer.list},
                     {"Skipped", skipped}},
        std::cout);
  return kExitOk;
}

}  // namespace

CommandSpec schedule_command() {
  return {"schedule",
          "when something is due, without a server: next",
          {},
          {},
          {},
          {{"next",
            "the next occurrences of a cron, rate or at expression",
            {{"EXPRESSION", "such as 'cron(0 2 ? * TUE#2 *)', 'rate(7 days)' or 'at(2027-07-07T13:15:30)'"}},
            {{"--timezone", "IANA name, whose clocks cron and at follow", Takes::one_value, false, "UTC"},
             {"--count", "how many, at most 1000", Takes::one_value, false, "10"},
             {"--offset", "days after the day that cron names, 1-6"},
             {"--start-date", "none before it (2027-01-31T00:00:00+01:00)"},
             {"--end-date", "none from it on"},
             {"--after", "as if now were this time"},
             {"--duration", "check it as a maintenance window of so many hours, 1-24"},
             {"--cutoff", "hours before the window's end in which nothing new starts, 0-23"},
             {"--association", "check it by the rules for associations", Takes::nothing},
             {"--calendar", "change calendars (iCalendar files): say which occurrences they hold back", Takes::values}},
            next,
            {}}}};
}

}  // namespace belay::cli
