#include "store/pool.hpp"

#include "base/text.hpp"
#include "store/detail.hpp"

namespace belay::store::pool {
namespace {

constexpr std::string_view kColumns =
    "p.sha256, p.name, p.arch, p.version, p.size_bytes, p.first_seen, p.stored_bytes, p.completed_at, p.uploader, "
    "p.touched_at, p.wrong_from, p.wrong_at";
constexpr std::size_t kHeldAtOnce = 2'000;  // references whose time is over, a sweep

struct Known {
  Package package;
  std::string wrong_from;
  std::optional<Instant> wrong_at;
};

Package read_package(const Row& row) {
  Package package;
  package.sha256 = row.text(0);
  package.name = row.text(1);
  package.arch = row.text(2);
  package.version = row.text(3);
  package.size_bytes = static_cast<std::uint64_t>(row.integer(4));
  package.first_seen = row.instant(5);
  package.stored_bytes = static_cast<std::uint64_t>(row.integer(6));
  package.completed_at = row.optional_instant(7);
  package.uploader = row.text(8);
  package.touched_at = row.optional_instant(9);
  return package;
}

std::string select(std::string_view rest) { return "SELECT " + std::string(kColumns) + " FROM " + std::string(rest); }

bool is_sha256(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool can_be_kept(const fleet::PackageChange& change) {
  return !change.to_version.empty() && is_sha256(change.sha256) && change.size_bytes > 0 &&
         change.size_bytes <= kPackageBytesMax && !change.name.empty() && change.name.size() <= 512 &&
         change.arch.size() <= 64 && change.to_version.size() <= 512;
}

std::uint64_t bytes_of(const Package& package, std::uint32_t index) {
  return std::min(kChunkBytes, package.size_bytes - index * kChunkBytes);
}

std::string words(const Package& package) { return package.name + " " + package.version + " (" + package.arch + ")"; }

Result<Known> wanted(Sql& sql, std::string_view sha256) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one(select("pool_packages p WHERE p.sha256 = $1 AND EXISTS "
                                                        "(SELECT 1 FROM pool_references r WHERE r.sha256 = p.sha256)"),
                                                 {sha256}));
  if (!row)
    return Error(Code::not_found,
                 "no open change set names a package file " + sanitize(sha256, 64) + ": the pool does not take it",
                 "pool-not-wanted");
  return Known{read_package(*row), row->text(10), row->optional_instant(11)};
}

Status drop_chunks(Sql& sql, std::string_view sha256) {
  BELAY_TRY(sql.exec("DELETE FROM pool_chunks WHERE sha256 = $1", {sha256}));
  return {};
}

// Room for the whole file before its first byte: what was begun can be ended.
Status reserve(Sql& sql, const Package& package, std::uint64_t bytes_max) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT COALESCE(CAST(SUM(size_bytes) AS BIGINT), 0) FROM "
                                                 "pool_packages WHERE stored_bytes > 0 AND sha256 <> $1",
                                                 {package.sha256}));
  const auto taken = static_cast<std::uint64_t>(row->integer(0));
  if (taken + package.size_bytes <= bytes_max) return {};
  return Error(Code::resource_exhausted,
               "the package pool is full: " + std::to_string(taken) + " of " + std::to_string(bytes_max) +
                   " bytes are taken, and " + words(package) + " needs " + std::to_string(package.size_bytes) +
                   "; give it more room (--pool-size), or end rollouts that are over",
               "pool-full");
}

// Begins an upload, or begins it anew for another node where the one before stood still.
Status begin(Sql& sql, Known& known, const Chunk& chunk, const Limits& limits, Instant now) {
  auto& package = known.package;
  if (known.wrong_from == chunk.node_id && known.wrong_at && now - *known.wrong_at < limits.mistrusted_for)
    return Error(Code::permission_denied,
                 "what this node sent as " + words(package) + " was another file; it is taken from other nodes",
                 "pool-mistrusted");
  if (package.stored_bytes > 0 && package.uploader == chunk.node_id) return {};
  if (package.stored_bytes > 0 && package.touched_at && now - *package.touched_at < limits.silent_for)
    return Error(Code::conflict, "another node sends " + words(package) + " at this moment", "pool-busy");
  if (chunk.index != 0)
    return Error(Code::conflict,
                 "nothing of " + words(package) + " came from this node yet; begin with its first chunk",
                 "pool-chunk-order");
  BELAY_TRY(drop_chunks(sql, package.sha256));
  package.stored_bytes = 0;
  package.uploader = chunk.node_id;
  return reserve(sql, package, limits.bytes_max);
}

}  // namespace

std::uint32_t chunk_count(const Package& package) {
  return static_cast<std::uint32_t>((package.size_bytes + kChunkBytes - 1) / kChunkBytes);
}

Status reference(Sql& sql, std::string_view holder, std::span<const fleet::PackageChange> changes, Instant now,
                 std::optional<Instant> until) {
  std::vector<Params> packages, references;
  for (const auto& change : changes) {
    if (!can_be_kept(change)) continue;
    packages.push_back({change.sha256, change.name, change.arch, change.to_version, change.size_bytes, now});
    references.push_back({holder, change.sha256, until});
  }
  BELAY_TRY(sql.exec_many(
      "INSERT INTO pool_packages (sha256, name, arch, version, size_bytes, first_seen, stored_bytes, uploader, "
      "wrong_from) VALUES ($1, $2, $3, $4, $5, $6, 0, '', '') ON CONFLICT (sha256) DO NOTHING",
      packages));
  BELAY_TRY(sql.exec_many(
      "INSERT INTO pool_references (holder, sha256, kept_until) VALUES ($1, $2, $3) ON CONFLICT (holder, sha256) "
      "DO UPDATE SET kept_until = CASE WHEN pool_references.kept_until IS NULL OR excluded.kept_until IS NULL "
      "THEN NULL WHEN excluded.kept_until > pool_references.kept_until THEN excluded.kept_until "
      "ELSE pool_references.kept_until END",
      references));
  return {};
}

Status share(Sql& sql, std::string_view from, std::string_view holder) {
  const Params held[] = {{holder, from}, {old_files_of(holder), old_files_of(from)}};
  BELAY_TRY(sql.exec_many(
      "INSERT INTO pool_references (holder, sha256, kept_until) SELECT $1, sha256, NULL FROM pool_references "
      "WHERE holder = $2 ON CONFLICT (holder, sha256) DO UPDATE SET kept_until = NULL",
      held));
  return {};
}

Status release(Sql& sql, std::string_view holder) {
  BELAY_TRY(sql.exec("DELETE FROM pool_references WHERE holder = $1 OR holder = $2", {holder, old_files_of(holder)}));
  return {};
}

Result<Coverage> coverage(Sql& sql, std::string_view holder) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT COUNT(*), COUNT(p.completed_at), COALESCE(CAST(SUM(p.size_bytes) AS BIGINT), 0), "
                    "COALESCE(CAST(SUM(CASE WHEN p.completed_at IS NULL THEN 0 ELSE p.size_bytes END) AS BIGINT), 0) "
                    "FROM pool_references r JOIN pool_packages p ON p.sha256 = r.sha256 WHERE r.holder = $1",
                    {holder}));
  return Coverage{row->integer(0), row->integer(1), static_cast<std::uint64_t>(row->integer(2)),
                  static_cast<std::uint64_t>(row->integer(3))};
}

Result<std::vector<Package>> lacking(Sql& sql, std::string_view holder) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select("pool_references r JOIN pool_packages p ON p.sha256 = r.sha256 "
                                    "WHERE r.holder = $1 AND p.completed_at IS NULL ORDER BY p.name, p.sha256"),
                             {holder}));
  std::vector<Package> found;
  for (const auto& row : rows) found.push_back(read_package(row));
  return found;
}

Result<std::vector<std::optional<Package>>> find(Sql& sql, std::span<const std::string> sha256s) {
  std::vector<Params> asked;
  for (const auto& sha256 : sha256s) asked.push_back({sha256});
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many(select("pool_packages p WHERE p.sha256 = $1 AND EXISTS "
                                         "(SELECT 1 FROM pool_references r WHERE r.sha256 = p.sha256)"),
                                  asked));
  std::vector<std::optional<Package>> found;
  for (const auto& rows : answers)
    found.push_back(rows.empty() ? std::nullopt : std::optional(read_package(rows.front())));
  return found;
}

Result<Package> put(Sql& sql, const Chunk& chunk, const Limits& limits, Instant now) {
  BELAY_TRY_ASSIGN(auto known, wanted(sql, chunk.sha256));
  auto& package = known.package;
  if (package.completed_at) return package;
  if (chunk.index >= chunk_count(package) || chunk.bytes.size() != bytes_of(package, chunk.index))
    return Error(Code::invalid_argument,
                 "chunk " + std::to_string(chunk.index) + " of " + words(package) + " has " +
                     std::to_string(chunk.bytes.size()) + " bytes, which does not fit its size of " +
                     std::to_string(package.size_bytes),
                 "pool-chunk-size");
  BELAY_TRY(begin(sql, known, chunk, limits, now));
  const auto next = static_cast<std::uint32_t>(package.stored_bytes / kChunkBytes);
  const bool whole = package.stored_bytes == package.size_bytes;
  if (!whole && chunk.index > next)
    return Error(Code::conflict, "chunk " + std::to_string(next) + " of " + words(package) + " is the next one",
                 "pool-chunk-order");
  if (whole || chunk.index < next) return package;
  BELAY_TRY(sql.exec("INSERT INTO pool_chunks (sha256, chunk_index, body) VALUES ($1, $2, $3)",
                     {package.sha256, chunk.index, Blob{std::string(chunk.bytes)}}));
  package.stored_bytes += chunk.bytes.size();
  package.touched_at = now;
  BELAY_TRY(sql.exec("UPDATE pool_packages SET stored_bytes = $2, uploader = $3, touched_at = $4 WHERE sha256 = $1",
                     {package.sha256, package.stored_bytes, package.uploader, now}));
  return package;
}

Status complete(Sql& sql, std::string_view sha256, std::string_view uploader, Instant now) {
  BELAY_TRY_ASSIGN(const auto touched,
                   sql.exec("UPDATE pool_packages SET completed_at = COALESCE(completed_at, $3) WHERE sha256 = $1 AND "
                            "stored_bytes = size_bytes AND (uploader = $2 OR completed_at IS NOT NULL)",
                            {sha256, uploader, now}));
  if (touched > 0) return {};
  return Error(Code::conflict, "the upload of " + sanitize(sha256, 64) + " was begun anew by another node",
               "pool-busy");
}

Status discard(Sql& sql, std::string_view sha256, std::string_view wrong_from, Instant now) {
  BELAY_TRY(drop_chunks(sql, sha256));
  BELAY_TRY(
      sql.exec("UPDATE pool_packages SET stored_bytes = 0, completed_at = NULL, uploader = '', touched_at = NULL, "
               "wrong_from = $2, wrong_at = $3 WHERE sha256 = $1",
               {sha256, wrong_from, now}));
  return {};
}

Result<std::string> chunk(Sql& sql, std::string_view sha256, std::uint32_t index) {
  BELAY_TRY_ASSIGN(const auto row, sql.query_one("SELECT body FROM pool_chunks WHERE sha256 = $1 AND chunk_index = $2",
                                                 {sha256, index}));
  if (!row)
    return Error(Code::not_found, "the pool has no chunk " + std::to_string(index) + " of " + sanitize(sha256, 64));
  return row->blob(0);
}

namespace {

Result<std::int64_t> drop_abandoned(Sql& sql, Instant stale_before, std::uint32_t chunks_max) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT sha256 FROM pool_packages WHERE completed_at IS NULL AND stored_bytes > 0 "
                             "AND touched_at < $1 ORDER BY touched_at LIMIT $2",
                             {stale_before, chunks_max}));
  std::vector<Params> stale;
  for (const auto& row : rows) stale.push_back({row.text(0)});
  BELAY_TRY(sql.exec_many("DELETE FROM pool_chunks WHERE sha256 = $1", stale));
  return sql.exec_many("UPDATE pool_packages SET stored_bytes = 0, uploader = '', touched_at = NULL WHERE sha256 = $1",
                       stale);
}

}  // namespace

Result<Swept> sweep(Sql& sql, Instant now, Instant stale_before, std::uint32_t chunks_max) {
  Swept swept;
  BELAY_TRY_ASSIGN(const auto over, sql.query("SELECT holder, sha256 FROM pool_references WHERE kept_until IS NOT NULL "
                                              "AND kept_until < $1 ORDER BY kept_until LIMIT $2",
                                              {now, kHeldAtOnce}));
  std::vector<Params> ended;
  for (const auto& row : over) ended.push_back({row.text(0), row.text(1)});
  BELAY_TRY(sql.exec_many("DELETE FROM pool_references WHERE holder = $1 AND sha256 = $2", ended));
  BELAY_TRY_ASSIGN(swept.abandoned, drop_abandoned(sql, stale_before, chunks_max));
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query(select("pool_packages p LEFT JOIN pool_references r ON r.sha256 = p.sha256 "
                                    "WHERE r.sha256 IS NULL ORDER BY p.first_seen, p.sha256 LIMIT $1"),
                             {chunks_max}));
  std::vector<Params> unheld;
  std::uint64_t chunks = 0;
  for (const auto& row : rows) {
    const auto package = read_package(row);
    if (chunks >= chunks_max) break;
    chunks += package.stored_bytes / kChunkBytes + 1;
    swept.bytes += package.stored_bytes;
    unheld.push_back({package.sha256});
  }
  BELAY_TRY(sql.exec_many("DELETE FROM pool_chunks WHERE sha256 = $1", unheld));
  BELAY_TRY_ASSIGN(swept.packages, sql.exec_many("DELETE FROM pool_packages WHERE sha256 = $1", unheld));
  return swept;
}

Result<Usage> usage(Sql& sql) {
  BELAY_TRY_ASSIGN(
      const auto row,
      sql.query_one("SELECT COUNT(*), COUNT(completed_at), COALESCE(CAST(SUM(CASE WHEN completed_at IS NULL AND "
                    "stored_bytes > 0 THEN 1 ELSE 0 END) AS BIGINT), 0), COALESCE(CAST(SUM(stored_bytes) AS BIGINT), "
                    "0), COALESCE(CAST(SUM(size_bytes) AS BIGINT), 0) FROM pool_packages"));
  Usage usage;
  usage.packages = row->integer(0);
  usage.complete = row->integer(1);
  usage.incomplete = row->integer(2);
  usage.bytes = static_cast<std::uint64_t>(row->integer(3));
  usage.bytes_wanted = static_cast<std::uint64_t>(row->integer(4));
  return usage;
}

}  // namespace belay::store::pool
