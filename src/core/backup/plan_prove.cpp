// `prove` of a plan.
#include <algorithm>

#include "base/text.hpp"
#include "core/backup/plan_parts.hpp"

namespace belay::backup::parts {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::optional<std::string> read_equals(const Place& place) {
  const auto* value = place.find("equals");
  if (!value) return std::nullopt;
  if (value->is_int64()) return std::to_string(value->get_int64());
  if (value->is_bool()) return std::string(value->get_bool() ? "true" : "false");
  return place.text("equals", false, 1'000);
}

Check read_check(const Place& place) {
  place.reader.only(place.object, place.path,
                    {"name", "sql", "database", "command", "file", "atLeast", "atMost", "equals", "timeout"});
  Check check;
  check.name = place.text("name", false, 64);
  check.sql = place.text("sql", false, 8'000);
  check.database = place.text("database", false, 64);
  check.command = program(place, "command", place.find("command") != nullptr);
  check.file = path(place, "file");
  check.at_least = place.reader.integer(place.object, place.path, "atLeast", kLeast, kMost);
  check.at_most = place.reader.integer(place.object, place.path, "atMost", kLeast, kMost);
  check.equals = read_equals(place);
  check.timeout = place.span("timeout", check.timeout, Duration(1'000), 6 * kHour);
  return check;
}

void check_one(const Place& place, const Check& check) {
  const int asked =
      int(place.find("sql") != nullptr) + int(place.find("command") != nullptr) + int(place.find("file") != nullptr);
  if (asked != 1)
    place.reader.refuse(
        place.path, std::string(asked ? "asks several things" : "asks nothing") + "; name one of sql, command, file");
  if (!check.database.empty() && check.sql.empty())
    place.reader.refuse(place.at("database"), "belongs to sql, and there is none here");
  const bool bounded = check.at_least || check.at_most;
  if (!check.sql.empty() && !bounded && !check.equals)
    place.reader.refuse(place.path,
                        "expects nothing of the answer, so an empty table passes; say atLeast, atMost or "
                        "equals");
  if (check.equals && bounded) place.reader.refuse(place.at("equals"), "stands beside atLeast or atMost");
  if (check.at_least && check.at_most && *check.at_least > *check.at_most)
    place.reader.refuse(place.at("atLeast"), "is above atMost: nothing passes");
  if (!check.file.empty() && check.equals)
    place.reader.refuse(place.at("equals"), "is no size; of a file its bytes are the answer: atLeast, atMost");
}

std::vector<Pick> read_picks(const Place& place) {
  constexpr std::string_view kPicks = "newest,random,oldest,offsite";
  std::vector<Pick> picks;
  const auto words = place.texts("pick", 4, 20), known = [&] {
    std::vector<std::string> all;
    for (const auto one : split(kPicks, ',')) all.emplace_back(one);
    return all;
  }();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto at = std::ranges::find(known, words[i]);
    const auto pick = static_cast<Pick>(at - known.begin());
    if (at == known.end())
      place.reader.refuse(item_path(place.at("pick"), i),
                          "is '" + sanitize(words[i], 40) + "', expected one of " + std::string(kPicks));
    else if (std::ranges::find(picks, pick) != picks.end())
      place.reader.refuse(item_path(place.at("pick"), i), "stands twice");
    else picks.push_back(pick);
  }
  if (place.find("pick") && words.empty())
    place.reader.refuse(place.at("pick"), "names none of " + std::string(kPicks));
  return words.empty() ? std::vector{Pick::newest} : picks;
}

// P4 is a service that starts in isolation. Files have none of their own, and to say P4 of a comparison of files would
// be a lie; a command of the operator's that starts what was restored stands for it, and that is P5.
std::string level_problem(const PlanSpec& plan) {
  const auto& rules = engine_rules(plan.source.engine);
  const auto engine = std::string(text_of(plan.source.engine));
  const auto level = plan.prove.level;
  const auto& checks = plan.prove.checks;
  if (level > rules.most)
    return "is above what can be proven of " + engine + "; the most is P" + std::to_string(int(rules.most));
  const bool runs = std::ranges::any_of(checks, [](const Check& one) { return !one.command.empty(); });
  if (!rules.is_database && level == ProofLevel::P4)
    return "is P4, a service that starts in isolation, and " + engine +
           " restores no service: say P3 (restored elsewhere and compared), or P5 with a check that has a command "
           "which starts what was restored";
  if (!rules.is_database && level == ProofLevel::P5 && !runs)
    return "is P5, and none of the checks has a command: of " + engine +
           " nothing starts by itself; add one that starts what was restored and asks it something, or say P3";
  if (level == ProofLevel::P5 && checks.empty())
    return "is P5, which are questions of your own to what was restored: write checks, or say P4";
  return {};
}

}  // namespace

ProveSpec read_prove(const Place& place) {
  place.reader.only(place.object, place.path, {"schedule", "level", "pick", "checks", "scratch"});
  ProveSpec prove;
  prove.schedule = place.text("schedule", false, schedule::kExpressionBytesMax);
  if (!prove.schedule.empty())
    if (const auto problem = schedule_problem(prove.schedule); !problem.empty())
      place.reader.refuse(place.at("schedule"), problem);
  const auto level = place.choice("level", "P0,P1,P2,P3,P4,P5", "P3");
  if (level.size() == 2 && level[0] == 'P' && level[1] >= '0' && level[1] <= '5')
    prove.level = static_cast<ProofLevel>(level[1] - '0');
  prove.pick = read_picks(place);
  place.each("checks", false, kChecksMax, [&](const Place& inner) {
    prove.checks.push_back(read_check(inner));
    check_one(inner, prove.checks.back());
  });
  prove.scratch = path(place, "scratch");
  return prove;
}

void check_prove(const Place& place, const PlanSpec& plan) {
  if (const auto problem = level_problem(plan); !problem.empty()) place.reader.refuse("prove.level", problem);
  if (!plan.prove.checks.empty() && plan.prove.level < ProofLevel::P5)
    place.reader.refuse("prove.checks", "are asked at P5 alone, and the level is P" +
                                            std::to_string(int(plan.prove.level)) + "; say level: P5");
  if (!engine_rules(plan.source.engine).is_database)
    for (std::size_t i = 0; i < plan.prove.checks.size(); ++i)
      if (!plan.prove.checks[i].sql.empty())
        place.reader.refuse(
            item_path("prove.checks", i) + ".sql",
            "asks a database, and " + std::string(text_of(plan.source.engine)) + " restores none; use command or file");
  if (plan.objectives.rto > Duration::zero() && plan.prove.level < ProofLevel::P3)
    place.reader.refuse("objectives.rto", "is measured by restoring, and prove.level is P" +
                                              std::to_string(int(plan.prove.level)) + "; say P3 or more");
}

}  // namespace belay::backup::parts
