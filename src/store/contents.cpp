#include "store/contents.hpp"

#include "store/detail.hpp"

namespace belay::store::contents {
namespace {

bool is_hash(std::string_view text) {
  return text.size() == 64 &&
         std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string name_of(Kind kind, std::string_view hash) {
  return std::string(boost::describe::enum_to_string(kind, "")) + " " + std::string(hash);
}

Status insert(Sql& sql, Kind kind, std::string_view hash, std::string_view text, Instant at) {
  if (text.size() > kContentBytesMax)
    return Error(Code::resource_exhausted, name_of(kind, hash) + " is larger than the store keeps");
  BELAY_TRY_ASSIGN(const auto there,
                   sql.query_one("SELECT 1 FROM contents WHERE kind = $1 AND hash = $2", {kind, hash}));
  if (there) return {};
  BELAY_TRY(
      sql.exec("INSERT INTO contents (kind, hash, body, size_bytes, created_at) VALUES ($1, $2, $3, $4, $5) "
               "ON CONFLICT (kind, hash) DO NOTHING",
               {kind, hash, detail::compress(text), text.size(), at}));
  return {};
}

}  // namespace

Status put(Sql& sql, Kind kind, std::string_view hash, std::string_view text, Instant at) {
  if (!is_hash(hash) || sql.seams().sha256_hex(text) != hash)
    return Error(Code::invalid_argument,
                 "the content is not what its name " + std::string(hash.substr(0, 64)) + " says", "hash-mismatch");
  return insert(sql, kind, hash, text, at);
}

Result<std::string> put(Sql& sql, Kind kind, std::string_view text, Instant at) {
  std::string hash = sql.seams().sha256_hex(text);
  BELAY_TRY(insert(sql, kind, hash, text, at));
  return hash;
}

Result<std::string> get(Sql& sql, Kind kind, std::string_view hash) {
  BELAY_TRY_ASSIGN(const auto row,
                   sql.query_one("SELECT body FROM contents WHERE kind = $1 AND hash = $2", {kind, hash}));
  if (!row) return detail::missing(boost::describe::enum_to_string(kind, ""), hash);
  BELAY_TRY_ASSIGN(auto text, detail::decompress(row->blob(0), kContentBytesMax).within(name_of(kind, hash)));
  if (sql.seams().sha256_hex(text) != hash)
    return Error(Code::corrupt, name_of(kind, hash) + " is damaged in the store: its hash is another");
  return text;
}

Result<std::vector<std::string>> missing(Sql& sql, Kind kind, std::span<const std::string> hashes) {
  std::vector<std::string> wanted(hashes.begin(), hashes.end());
  std::ranges::sort(wanted);
  const auto repeats = std::ranges::unique(wanted);
  wanted.erase(repeats.begin(), repeats.end());
  std::vector<Params> asked;
  for (const auto& hash : wanted) asked.push_back({kind, hash});
  BELAY_TRY_ASSIGN(const auto answers, sql.query_many("SELECT 1 FROM contents WHERE kind = $1 AND hash = $2", asked));
  std::vector<std::string> absent;
  for (std::size_t i = 0; i < answers.size(); ++i)
    if (answers[i].empty()) absent.push_back(std::move(wanted[i]));
  return absent;
}

Result<Listed<std::string>> list_hashes(Sql& sql, Kind kind, const Page& page) {
  BELAY_TRY_ASSIGN(const auto rows,
                   sql.query("SELECT hash FROM contents WHERE kind = $1 AND hash > $2 ORDER BY hash LIMIT $3",
                             {kind, page.after, detail::limit_of(page) + 1}));
  std::vector<std::string> hashes;
  for (const auto& row : rows) hashes.push_back(row.text(0));
  return detail::paged(std::move(hashes), page, [](const std::string& hash) { return hash; });
}

Result<Forgotten> forget_unused_sets(Sql& sql, Kind kind, Instant before, std::string_view after, std::uint32_t limit) {
  BELAY_ASSERT(kind == Kind::package_set || kind == Kind::offer_set);
  BELAY_TRY_ASSIGN(const auto rows, sql.query("SELECT c.hash, c.created_at, u.hash FROM contents c "
                                              "LEFT JOIN set_uses u ON u.kind = c.kind AND u.hash = c.hash "
                                              "WHERE c.kind = $1 AND c.hash > $2 ORDER BY c.hash LIMIT $3",
                                              {kind, after, limit}));
  std::vector<Params> unused;
  for (const auto& row : rows)
    if (row.is_null(2) && row.instant(1) < before) unused.push_back({kind, row.text(0)});
  Forgotten forgotten;
  BELAY_TRY_ASSIGN(forgotten.count, sql.exec_many("DELETE FROM contents WHERE kind = $1 AND hash = $2", unused));
  if (rows.size() == limit) forgotten.after = rows.back().text(0);
  return forgotten;
}

Status note_first_seen(Sql& sql, std::string_view operating_system, std::span<const PackageVersion> versions,
                       Instant at) {
  std::vector<Params> rows;
  rows.reserve(versions.size());
  for (const auto& item : versions) rows.push_back({operating_system, item.name, item.arch, item.version, at});
  BELAY_TRY(sql.exec_many(
      "INSERT INTO first_seen (operating_system, name, arch, version, seen_at) VALUES ($1, $2, $3, $4, $5) "
      "ON CONFLICT (operating_system, name, arch, version) DO NOTHING",
      rows));
  return {};
}

Result<std::vector<std::optional<Instant>>> first_seen(Sql& sql, std::string_view operating_system,
                                                       std::span<const PackageVersion> versions) {
  std::vector<Params> asked;
  asked.reserve(versions.size());
  for (const auto& item : versions) asked.push_back({operating_system, item.name, item.arch, item.version});
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many("SELECT seen_at FROM first_seen WHERE operating_system = $1 AND name = $2 "
                                  "AND arch = $3 AND version = $4",
                                  asked));
  std::vector<std::optional<Instant>> found;
  found.reserve(answers.size());
  for (const auto& rows : answers)
    found.push_back(rows.empty() ? std::nullopt : std::optional(rows.front().instant(0)));
  return found;
}

}  // namespace belay::store::contents
