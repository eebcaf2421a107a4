// `source` of a plan: the engine, and the members that it takes.
#include <algorithm>
#include <boost/describe/enum_to_string.hpp>

#include "base/text.hpp"
#include "core/backup/plan_parts.hpp"

namespace belay::backup::parts {
namespace {

constexpr std::string_view kEngines = "pgbackrest,pg_dump,mariadb-backup,mysqldump,restic,borg,sqlite,snapshot,command";

// Beside engine, before and after, which everybody takes.
struct Members {
  EngineName engine;
  std::string_view takes, needs;
};
constexpr Members kMembers[] = {
    {EngineName::pgbackrest, "stanza,dataDirectory,socket,port,user,logs,heartbeat", "stanza"},
    {EngineName::pg_dump, "databases,socket,port,user,heartbeat", ""},
    {EngineName::mariadb_backup, "dataDirectory,socket,user,logs,heartbeat", ""},
    {EngineName::mysqldump, "databases,socket,user,logs,heartbeat", ""},
    {EngineName::restic, "paths,excludes,wholeSystem", ""},
    {EngineName::borg, "paths,excludes,wholeSystem", ""},
    {EngineName::sqlite, "paths", "paths"},
    {EngineName::snapshot, "paths,excludes,providers,freeze,thaw", "paths"},
    {EngineName::command, "program", "program"},
};

std::optional<EngineName> engine_of(std::string_view word) {
  const auto at = std::ranges::find_if(kMembers, [&](const Members& one) { return text_of(one.engine) == word; });
  if (at == std::end(kMembers)) return std::nullopt;
  return at->engine;
}

std::optional<EngineName> read_engine(const Place& place) {
  const auto word = place.text("engine", true, 64);
  if (word.empty()) return std::nullopt;
  const auto engine = engine_of(word);
  if (engine) return engine;
  // Names that are in use for the same thing.
  constexpr std::pair<std::string_view, std::string_view> kOthers[] = {{"mariabackup", "mariadb-backup"},
                                                                       {"mariadb-dump", "mysqldump"},
                                                                       {"postgres", "pgbackrest"},
                                                                       {"postgresql", "pgbackrest"},
                                                                       {"pg_basebackup", "pgbackrest"},
                                                                       {"mysql", "mysqldump"},
                                                                       {"mariadb", "mariadb-backup"},
                                                                       {"xtrabackup", "mariadb-backup"},
                                                                       {"files", "restic"},
                                                                       {"lvm", "snapshot"},
                                                                       {"btrfs", "snapshot"},
                                                                       {"zfs", "snapshot"}};
  const auto other = std::ranges::find(kOthers, to_lower(word), &std::pair<std::string_view, std::string_view>::first);
  const auto meant = other != std::end(kOthers) ? other->second : nearest(word, split(kEngines, ','));
  place.reader.refuse(place.at("engine"), "is '" + sanitize(word, 60) + "'" +
                                              (meant.empty() ? "" : "; did you mean " + std::string(meant) + "?") +
                                              " Known are " + std::string(kEngines));
  return std::nullopt;
}

void check_members(const Place& place, EngineName engine) {
  const auto& members = *std::ranges::find(kMembers, engine, &Members::engine);
  const auto takes = split(members.takes, ',');
  for (const auto& member : place.object) {
    const std::string_view name(member.key());
    if (name == "engine" || name == "before" || name == "after" || std::ranges::find(takes, name) != takes.end())
      continue;
    place.reader.refuse(place.at(name), "is not known to " + std::string(text_of(engine)) + ", which takes " +
                                            std::string(members.takes) + ",before,after");
  }
  if (!members.needs.empty() && !place.find(members.needs))
    place.reader.refuse(place.at(members.needs), "is missing; " + std::string(text_of(engine)) + " needs it");
}

// A list is the program with its arguments; a mapping also says as whom and how long.
std::optional<Hook> read_hook(const Place& place, std::string_view field) {
  const auto* value = place.find(field);
  if (!value) return std::nullopt;
  Hook hook;
  if (!value->is_object()) {
    hook.argv = program(place, field, true);
    return hook;
  }
  place.with(field, [&](const Place& inner) {
    inner.reader.only(inner.object, inner.path, {"command", "user", "timeout"});
    hook.argv = program(inner, "command", true);
    hook.user = user(inner, "user");
    hook.timeout = inner.span("timeout", hook.timeout, Duration(1'000), 6 * kHour);
  });
  return hook;
}

bool is_word(std::string_view text, std::string_view also) {
  return !text.empty() && text.size() <= 64 && text.front() != '-' && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

void read_server(const Place& place, SourceSpec& source) {
  source.stanza = place.text("stanza", false, 200);
  if (!source.stanza.empty() && !is_word(source.stanza, "_-"))
    place.reader.refuse(place.at("stanza"), "is no stanza's name: letters, digits, '_' and '-'");
  source.data_directory = path(place, "dataDirectory");
  source.socket = path(place, "socket");
  source.port = place.number("port", 0, 1, 65'535);
  source.user = user(place, "user");
  source.databases = place.texts("databases", 200, 64);
  for (std::size_t i = 0; i < source.databases.size(); ++i)
    if (!is_plain(source.databases[i]))
      place.reader.refuse(item_path(place.at("databases"), i), "is no database's name");
  source.logs = place.flag("logs", true);
  source.heartbeat = place.text("heartbeat", false, 200);
  const auto parts = split(source.heartbeat, '.');
  if (!source.heartbeat.empty() && (parts.size() != 2 || !is_word(parts[0], "_") || !is_word(parts[1], "_")))
    place.reader.refuse(place.at("heartbeat"), "is no table; write schema.table (letters, digits and '_')");
}

void read_files(const Place& place, SourceSpec& source) {
  source.paths = paths(place, "paths", kPathsMax);
  source.excludes = place.texts("excludes", kPathsMax, 1'000);
  for (std::size_t i = 0; i < source.excludes.size(); ++i)
    if (!is_plain(source.excludes[i])) place.reader.refuse(item_path(place.at("excludes"), i), "is no pattern");
  source.whole_system = place.flag("wholeSystem", false);
  const bool asks = source.engine == EngineName::restic || source.engine == EngineName::borg;
  if (asks && source.whole_system && !source.paths.empty())
    place.reader.refuse(place.at("wholeSystem"), "stands beside paths; say which of the two");
  if (asks && !source.whole_system && source.paths.empty())
    place.reader.refuse(place.at("paths"), "names nothing; list paths, or say wholeSystem: true");
  if (place.find("paths") && source.paths.empty() && !asks) place.reader.refuse(place.at("paths"), "names nothing");
}

}  // namespace

std::vector<std::string> program(const Place& place, std::string_view field, bool required) {
  auto argv = place.texts(field, 100, 4'000);
  if (argv.empty()) {
    if (required) place.reader.refuse(place.at(field), "names no program");
    return argv;
  }
  if (const auto problem = path_problem(argv.front()); !problem.empty())
    place.reader.refuse(place.at(field), problem + "; there is no shell and no search: write [/usr/bin/program, arg]");
  else if (argv.size() == 1 && argv.front().find(' ') != std::string::npos)
    place.reader.refuse(place.at(field), "is one text with spaces; there is no shell: write [/usr/bin/program, arg]");
  return argv;
}

std::string user(const Place& place, std::string_view field) {
  auto text = place.text(field, false, 64);
  if (!text.empty() && !is_word(text, "_.-")) place.reader.refuse(place.at(field), "is no system user's name");
  return text;
}

bool is_engine(std::string_view word) { return engine_of(word).has_value(); }

SourceSpec read_source(const Place& place) {
  SourceSpec source;
  const auto engine = read_engine(place);
  if (!engine) return source;
  source.engine = *engine;
  check_members(place, *engine);
  read_server(place, source);
  read_files(place, source);
  source.providers = place.texts("providers", 10, 64);
  source.program = path(place, "program");
  source.before = read_hook(place, "before");
  source.after = read_hook(place, "after");
  source.freeze = read_hook(place, "freeze");
  source.thaw = read_hook(place, "thaw");
  if (source.freeze.has_value() != source.thaw.has_value())
    place.reader.refuse(place.at(source.freeze ? "freeze" : "thaw"),
                        "stands alone; what is frozen must be thawed, so write freeze and thaw");
  return source;
}

}  // namespace belay::backup::parts
