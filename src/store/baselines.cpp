#include "store/baselines.hpp"

#include "store/detail.hpp"

namespace belay::store::baselines {
namespace {

constexpr std::string_view kSelect =
    "SELECT baseline_id, generation, name, operating_system, predefined, content, created_at, valid_from, valid_to, "
    "changed_by FROM baseline_versions";

Result<Version> read(const Row& row) {
  Version version;
  version.baseline_id = row.text(0);
  version.generation = static_cast<std::uint32_t>(row.integer(1));
  version.name = row.text(2);
  version.operating_system = row.text(3);
  version.predefined = row.boolean(4);
  version.content = row.text(5);
  version.created_at = row.instant(6);
  version.valid_from = row.instant(7);
  version.valid_to = row.optional_instant(8);
  version.changed_by = row.text(9);
  return version;
}

Result<Version> one(Sql& sql, std::string_view conditions, const Params& params, std::string_view baseline_id) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(std::string(kSelect) + std::string(conditions), params));
  if (!row) return detail::missing("patch baseline", baseline_id);
  return read(*row);
}

Status insert(Sql& sql, const Version& version) {
  BELAY_TRY(
      sql.exec("INSERT INTO baseline_versions (baseline_id, generation, name, operating_system, predefined, content, "
               "created_at, valid_from, valid_to, changed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, $9)",
               {version.baseline_id, version.generation, version.name, version.operating_system, version.predefined,
                version.content, version.created_at, version.valid_from, version.changed_by}));
  return {};
}

Status note_change(Sql& sql) {
  BELAY_TRY(
      sql.exec("INSERT INTO counters (name, value) VALUES ('baselines', 1) "
               "ON CONFLICT (name) DO UPDATE SET value = counters.value + 1"));
  return {};
}

// A history of one column keyed by others: ends what is in force (at `at`, or when it began where clocks went back).
Status end_in_force(Sql& sql, std::string_view table, std::string_view conditions, Params params, Instant at) {
  params.insert(params.begin(), SqlValue(at));
  BELAY_TRY(sql.exec("UPDATE " + std::string(table) +
                         " SET valid_to = CASE WHEN valid_from > $1 THEN valid_from ELSE $1 END "
                         "WHERE valid_to IS NULL AND " +
                         std::string(conditions),
                     params));
  return {};
}

// "AND in force" for now, or for an instant, which becomes parameter `next`.
std::string in_force(const std::optional<Instant>& at, Params& params) {
  if (!at) return " AND valid_to IS NULL";
  params.emplace_back(*at);
  const std::string name = "$" + std::to_string(params.size());
  return " AND valid_from <= " + name + " AND (valid_to IS NULL OR valid_to > " + name + ")";
}

}  // namespace

Status create(Sql& sql, const Version& first) {
  BELAY_TRY_ASSIGN(const auto there, sql.query_one("SELECT 1 FROM baseline_versions WHERE baseline_id = $1 LIMIT 1",
                                                   {first.baseline_id}));
  if (there) return detail::taken("patch baseline", first.baseline_id);
  Version version = first;
  version.generation = 1;
  version.created_at = version.valid_from;
  BELAY_TRY(insert(sql, version));
  return note_change(sql);
}

Result<Version> update(Sql& sql, const Change& change) {
  BELAY_TRY_ASSIGN(auto version, get(sql, change.baseline_id));
  if (change.expected_generation && *change.expected_generation != version.generation)
    return Error(Code::conflict, "patch baseline " + change.baseline_id + " was changed meanwhile: it is at version " +
                                     std::to_string(version.generation));
  BELAY_TRY(end_in_force(sql, "baseline_versions", "baseline_id = $2", {change.baseline_id}, change.at));
  ++version.generation;
  version.name = change.name;
  version.content = change.content;
  version.changed_by = change.changed_by;
  version.valid_from = std::max(change.at, version.valid_from);
  BELAY_TRY(insert(sql, version));
  BELAY_TRY(note_change(sql));
  return version;
}

Status remove(Sql& sql, std::string_view baseline_id, Instant at) {
  BELAY_TRY_ASSIGN(
      const auto default_row,
      sql.query_one("SELECT operating_system FROM baseline_defaults WHERE baseline_id = $1 AND valid_to IS NULL",
                    {baseline_id}));
  if (default_row)
    return Error(Code::conflict,
                 "patch baseline " + std::string(baseline_id) + " is the default of " + default_row->text(0),
                 "baseline-in-use");
  BELAY_TRY_ASSIGN(const auto groups, groups_of(sql, baseline_id));
  if (!groups.empty())
    return Error(Code::conflict,
                 "patch baseline " + std::string(baseline_id) + " is bound to patch group " + groups.front(),
                 "baseline-in-use");
  BELAY_TRY(end_in_force(sql, "baseline_versions", "baseline_id = $2", {baseline_id}, at));
  return note_change(sql);
}

Result<Version> get(Sql& sql, std::string_view baseline_id) {
  return one(sql, " WHERE baseline_id = $1 AND valid_to IS NULL", {baseline_id}, baseline_id);
}

Result<Version> get_generation(Sql& sql, std::string_view baseline_id, std::uint32_t generation) {
  return one(sql, " WHERE baseline_id = $1 AND generation = $2", {baseline_id, generation}, baseline_id);
}

Result<Version> as_of(Sql& sql, std::string_view baseline_id, Instant at) {
  return one(
      sql,
      " WHERE baseline_id = $1 AND valid_from <= $2 AND (valid_to IS NULL OR valid_to > $2) ORDER BY generation DESC",
      {baseline_id, at}, baseline_id);
}

Result<Listed<Version>> list(Sql& sql, const Filter& filter, const Page& page) {
  BELAY_TRY(detail::check_lists(filter.name_prefixes, filter.operating_systems));
  detail::Where where;
  where.add("valid_to IS NULL");
  std::string prefixes;
  for (const auto& prefix : filter.name_prefixes) {
    const std::string value = where.bind(prefix);
    prefixes += (prefixes.empty() ? "" : " OR ") + ("substr(name, 1, length(CAST(" + value + " AS TEXT))) = " + value);
  }
  if (!prefixes.empty()) where.add(prefixes);
  where.any_of("operating_system", filter.operating_systems);
  if (filter.predefined) where.add("predefined = ?", {*filter.predefined});
  if (!page.after.empty()) where.add("baseline_id > ?", {page.after});
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query(std::string(kSelect) + where.text() + " ORDER BY baseline_id LIMIT " + limit, where.params()));
  BELAY_TRY_ASSIGN(auto found, detail::read_all<Version>(rows, read));
  return detail::paged(std::move(found), page, [](const Version& item) { return item.baseline_id; });
}

Result<std::vector<Version>> history(Sql& sql, std::string_view baseline_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(std::string(kSelect) + " WHERE baseline_id = $1 ORDER BY generation", {baseline_id}));
  return detail::read_all<Version>(rows, read);
}

Status set_default(Sql& sql, std::string_view operating_system, std::string_view baseline_id, Instant at) {
  BELAY_TRY_ASSIGN(const auto version, get(sql, baseline_id));
  if (version.operating_system != operating_system)
    return Error(Code::invalid_argument, "patch baseline " + std::string(baseline_id) + " is for " +
                                             version.operating_system + ", not for " + std::string(operating_system));
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT baseline_id, valid_from FROM baseline_defaults WHERE operating_system = $1 "
                                 "AND valid_to IS NULL",
                                 {operating_system}));
  if (row && row->text(0) == baseline_id) return {};
  BELAY_TRY(end_in_force(sql, "baseline_defaults", "operating_system = $2", {operating_system}, at));
  BELAY_TRY(sql.exec("INSERT INTO baseline_defaults (operating_system, baseline_id, valid_from) VALUES ($1, $2, $3)",
                     {operating_system, baseline_id, row ? std::max(at, row->instant(1)) : at}));
  return note_change(sql);
}

Result<std::string> default_of(Sql& sql, std::string_view operating_system, std::optional<Instant> at) {
  Params params{operating_system};
  const std::string condition = in_force(at, params);
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT baseline_id FROM baseline_defaults WHERE operating_system = $1" + condition +
                                     " ORDER BY sequence DESC LIMIT 1",
                                 params));
  if (!row) return detail::missing("default patch baseline for", operating_system);
  return row->text(0);
}

Status bind_group(Sql& sql, const GroupBinding& binding, Instant at) {
  BELAY_TRY_ASSIGN(const auto version, get(sql, binding.baseline_id));
  if (version.operating_system != binding.operating_system)
    return Error(Code::invalid_argument, "patch baseline " + binding.baseline_id + " is for " +
                                             version.operating_system + ", not for " + binding.operating_system);
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT baseline_id FROM patch_groups WHERE patch_group = $1 "
                                                 "AND operating_system = $2 AND valid_to IS NULL",
                                                 {binding.patch_group, binding.operating_system}));
  if (row && row->text(0) == binding.baseline_id) return {};
  if (row)
    return Error(Code::already_exists,
                 "patch group " + binding.patch_group + " is bound to " + row->text(0) + " already",
                 "patch-group-bound");
  BELAY_TRY(sql.exec(
      "INSERT INTO patch_groups (patch_group, operating_system, baseline_id, valid_from) VALUES ($1, $2, $3, $4)",
      {binding.patch_group, binding.operating_system, binding.baseline_id, at}));
  return note_change(sql);
}

Status unbind_group(Sql& sql, std::string_view patch_group, std::string_view baseline_id, Instant at) {
  BELAY_TRY(end_in_force(sql, "patch_groups", "patch_group = $2 AND baseline_id = $3", {patch_group, baseline_id}, at));
  return note_change(sql);
}

Result<std::string> baseline_of_group(Sql& sql, std::string_view patch_group, std::string_view operating_system,
                                      std::optional<Instant> at) {
  Params params{patch_group, operating_system};
  const std::string condition = in_force(at, params);
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT baseline_id FROM patch_groups WHERE patch_group = $1 AND operating_system = $2" +
                        condition + " ORDER BY sequence DESC LIMIT 1",
                    params));
  if (!row) return detail::missing("patch baseline for patch group", patch_group);
  return row->text(0);
}

Result<std::vector<std::string>> groups_of(Sql& sql, std::string_view baseline_id) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT patch_group FROM patch_groups WHERE baseline_id = $1 AND valid_to IS NULL "
                             "ORDER BY patch_group",
                             {baseline_id}));
  std::vector<std::string> groups;
  for (const auto& row : rows) groups.push_back(row.text(0));
  return groups;
}

Result<Listed<GroupBinding>> list_groups(Sql& sql, const Page& page) {
  detail::Where where;
  where.add("valid_to IS NULL");
  if (!page.after.empty()) {
    BELAY_TRY_ASSIGN(const auto after, detail::parse_cursor(page.after));
    where.add("sequence > ?", {after.number});
  }
  const std::string limit = where.bind(detail::limit_of(page) + 1);
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT patch_group, baseline_id, operating_system, sequence FROM patch_groups" +
                                 where.text() + " ORDER BY sequence LIMIT " + limit,
                             where.params()));
  std::vector<std::pair<GroupBinding, std::int64_t>> found;
  for (const auto& row : rows) found.push_back({{row.text(0), row.text(1), row.text(2)}, row.integer(3)});
  auto paged = detail::paged(std::move(found), page, [](const auto& item) { return detail::cursor(item.second); });
  Listed<GroupBinding> listed{{}, std::move(paged.next)};
  for (auto& item : paged.items) listed.items.push_back(std::move(item.first));
  return listed;
}

Result<std::int64_t> generation(Sql& sql) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT value FROM counters WHERE name = 'baselines'"));
  return row ? row->integer(0) : 0;
}

}  // namespace belay::store::baselines
