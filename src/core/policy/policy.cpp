#include "core/policy/policy.hpp"

#include "base/text.hpp"
#include "core/document/reader.hpp"

namespace belay::policy {
namespace {

using document::Reader;

constexpr std::size_t kItemsMax = 1'000, kHoursMax = 100;
constexpr std::array<std::string_view, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                   "Thursday", "Friday", "Saturday"};

std::optional<std::vector<std::string>> texts(Reader& reader, const json::Object& object, const std::string& path,
                                              std::string_view field) {
  const auto* value = object.if_contains(field);
  if (!value) return std::nullopt;
  const auto at = member_path(path, field);
  std::vector<std::string> found;
  const auto* list = value->if_array();
  if (!list || list->size() > kItemsMax) {
    reader.refuse(at, "is no list of at most " + std::to_string(kItemsMax) + " texts");
    return found;
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    const auto* text = (*list)[i].if_string();
    if (!text || text->empty()) reader.refuse(item_path(at, i), "is no text");
    else found.emplace_back(*text);
  }
  return found;
}

void check_paths(Reader& reader, const std::vector<std::string>& paths) {
  for (std::size_t i = 0; i < paths.size(); ++i)
    if (!paths[i].starts_with('/') || ("/" + paths[i] + "/").find("/../") != std::string::npos)
      reader.refuse(item_path("paths", i), "is no absolute path without '..'");
}

std::optional<std::chrono::minutes> time_of_day(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] >= '0' && text[i] <= '9'; };
  if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) return std::nullopt;
  const int hour = (text[0] - '0') * 10 + (text[1] - '0'), minute = (text[3] - '0') * 10 + (text[4] - '0');
  if (minute > 59 || hour * 60 + minute > 24 * 60) return std::nullopt;
  return std::chrono::minutes(hour * 60 + minute);
}

std::chrono::minutes time_at(Reader& reader, const json::Object& object, const std::string& path,
                             std::string_view field, std::chrono::minutes absent) {
  const auto text = reader.text(object, path, field);
  if (text.empty()) return absent;
  const auto time = time_of_day(text);
  if (!time) reader.refuse(member_path(path, field), "is no time of day: expected HH:MM, 00:00 to 24:00");
  return time.value_or(absent);
}

Hours read_hours(Reader& reader, const json::Value& value, const std::string& path) {
  Hours hours;
  const auto* object = reader.object(value, path);
  if (!object) return hours;
  reader.only(*object, path, {"days", "from", "until"});
  const auto days = texts(reader, *object, path, "days");
  if (!days) hours.days.fill(true);
  for (std::size_t i = 0; days && i < days->size(); ++i) {
    bool known = false;
    for (std::size_t day = 0; day < kDays.size(); ++day)
      if (equal_ignoring_case((*days)[i], kDays[day]) || equal_ignoring_case((*days)[i], kDays[day].substr(0, 3)))
        known = hours.days[day] = true;
    if (!known) reader.refuse(item_path(member_path(path, "days"), i), "is no day of the week: expected Mon, Tue, …");
  }
  hours.from = time_at(reader, *object, path, "from", hours.from);
  hours.until = time_at(reader, *object, path, "until", hours.until);
  if (hours.from == hours.until) reader.refuse(path, "begins when it ends; leave from and until out for whole days");
  return hours;
}

std::string clock(std::chrono::minutes time) {
  const auto two = [](long number) { return (number < 10 ? "0" : "") + std::to_string(number); };
  return two(time.count() / 60) + ":" + two(time.count() % 60);
}

std::string line(std::string_view name, const std::optional<std::vector<std::string>>& allowed) {
  const std::string begin = std::string(name) + ": ";
  if (!allowed) return begin + "any";
  return begin + (allowed->empty() ? "none" : sanitize(join(*allowed, ", "), 2'000));
}

}  // namespace

Result<Policy> read_policy(const MarkedValue& file) {
  Reader reader(file);
  Policy policy;
  const auto* whole = reader.object(file.value, "");
  if (!whole) return reader.error("policy-unusable");
  reader.only(*whole, "", {"documents", "users", "paths", "scripts", "patching", "approvals", "timezone", "hours"});
  policy.documents = texts(reader, *whole, "", "documents");
  policy.users = texts(reader, *whole, "", "users");
  policy.paths = texts(reader, *whole, "", "paths");
  if (policy.paths) check_paths(reader, *policy.paths);
  policy.scripts = reader.flag(*whole, "", "scripts", true);
  policy.patching = reader.flag(*whole, "", "patching", true);
  if (whole->if_contains("approvals"))
    policy.approvals =
        static_cast<std::uint32_t>(reader.integer(*whole, "", "approvals", 0, kApprovalsMax).value_or(kApprovalsMax));
  if (const auto zone = reader.text(*whole, "", "timezone"); !zone.empty()) policy.timezone = zone;
  if (const auto* hours = whole->if_contains("hours")) {
    policy.hours.emplace();
    const auto* list = hours->if_array();
    if (!list || list->size() > kHoursMax)
      reader.refuse("hours", "is no list of at most " + std::to_string(kHoursMax) + " spans: write [[hours]]");
    for (std::size_t i = 0; list && i < list->size() && i < kHoursMax; ++i)
      policy.hours->push_back(read_hours(reader, (*list)[i], item_path("hours", i)));
  }
  if (!reader.ok()) return reader.error("policy-unusable");
  return policy;
}

std::vector<std::string> describe(const Policy& policy) {
  std::vector<std::string> lines = {line("documents", policy.documents), line("users", policy.users),
                                    line("paths", policy.paths),
                                    std::string("scripts: ") + (policy.scripts ? "allowed" : "forbidden"),
                                    std::string("patching: ") + (policy.patching ? "allowed" : "forbidden")};
  if (policy.approvals > 0)
    lines.push_back("approvals: " + std::to_string(policy.approvals) + " of what is installed, besides its author's");
  if (!policy.hours) return lines.push_back("hours: any"), lines;
  if (policy.hours->empty()) lines.push_back("hours: none");
  for (const auto& hours : *policy.hours) {
    std::vector<std::string> days;
    for (std::size_t day = 0; day < kDays.size(); ++day)
      if (hours.days[day]) days.emplace_back(kDays[day].substr(0, 3));
    lines.push_back("hours: " + join(days, " ") + " " + clock(hours.from) + "-" + clock(hours.until) + " (" +
                    sanitize(policy.timezone, 100) + ")");
  }
  return lines;
}

}  // namespace belay::policy
