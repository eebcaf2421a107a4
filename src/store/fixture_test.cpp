#include "store/fixture_test.hpp"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>

#include "base/bytes.hpp"
#include "store/nodes.hpp"
#include "store/postgres/postgres_store.hpp"
#include "store/private_postgres_test.hpp"
#include "store/sqlite/sqlite_store.hpp"

namespace belay::store {

std::string fake_hash(std::string_view text) {
  std::string bytes;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    std::uint64_t hash = 14695981039346656037ULL * seed;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
    for (int shift = 0; shift < 64; shift += 8) bytes += static_cast<char>((hash >> shift) & 0xff);
  }
  return to_hex(bytes);
}

Seams test_seams() {
  const auto turned = [](std::string_view text) {
    std::string other(text);
    for (char& c : other) c = static_cast<char>(c ^ 0x5a);
    return other;
  };
  return {fake_hash, [turned](std::string_view clear) { return "sealed:" + turned(clear); },
          [turned](std::string_view sealed) -> Result<std::string> {
            if (!sealed.starts_with("sealed:")) return Error(Code::corrupt, "not sealed by this key");
            return turned(sealed.substr(7));
          }};
}

namespace {

Result<std::unique_ptr<Store>> open_at(Driver driver, const std::string& place) {
  if (driver == Driver::sqlite) return sqlite::open(place, test_seams());
  return postgres::open(place, test_seams());
}

}  // namespace

std::string new_postgres_database(std::string& why_not) {
  auto& server = PrivatePostgres::instance();
  why_not = server.why_not();
  return why_not.empty() ? server.new_database() : std::string();
}

void StoreTest::SetUp() {
  if (GetParam() == Driver::sqlite) {
    std::string pattern = (std::filesystem::temp_directory_path() / "belay-store-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    place_ = folder_ + "/belay.db";
  } else {
    std::string why_not;
    place_ = new_postgres_database(why_not);
    if (place_.empty()) GTEST_SKIP() << "PostgreSQL: " << why_not;
  }
  reopen();
}

void StoreTest::TearDown() {
  store_.reset();
  if (!folder_.empty()) std::filesystem::remove_all(folder_);
}

void StoreTest::reopen() {
  store_.reset();
  auto opened = open_at(GetParam(), place_);
  ASSERT_TRUE(opened.ok()) << opened.error().chain();
  store_ = std::move(*opened);
}

std::unique_ptr<Store> StoreTest::open_another() {
  auto opened = open_at(GetParam(), place_);
  EXPECT_TRUE(opened.ok());
  return opened.ok() ? std::move(*opened) : nullptr;
}

void StoreTest::tamper(const std::string& statement) {
  ASSERT_OK(write([&](Sql& sql) { return sql.exec(statement); }));
}

void StoreTest::add_node(const std::string& node_id) {
  nodes::Node node;
  node.node_id = node_id;
  node.name = "name of " + node_id;
  node.registered_at = at_s(0);
  ASSERT_OK(write([&](Sql& sql) { return nodes::create(sql, node); }));
}

}  // namespace belay::store
