// Documents and their versions, on every store.
#include "store/documents.hpp"

#include "store/fixture_test.hpp"

namespace belay::store {
namespace {

class DocumentsTest : public StoreTest {};
BELAY_ON_EVERY_STORE(DocumentsTest);

documents::Version version(const std::string& content, const std::string& name = "") {
  documents::Version made;
  made.content = content;
  made.version_name = name;
  made.sha256 = std::string(64 - content.size(), '0') + content;
  made.schema_version = "2.2";
  made.created_at = at_s(1);
  made.created_by = "ada";
  return made;
}

documents::Document document(const std::string& name, const std::string& type = "Command") {
  documents::Document made;
  made.name = name;
  made.document_type = type;
  made.created_at = at_s(1);
  made.created_by = "ada";
  return made;
}

TEST_P(DocumentsTest, EveryVersionIsKeptAndOneIsTheDefault) {
  const auto add = [&](const documents::Version& next) {
    return write([&](Sql& sql) { return documents::add_version(sql, "web", next); });
  };
  EXPECT_CODE(Code::not_found, add(version("a")));
  ASSERT_OK(write([](Sql& sql) { return documents::create(sql, document("web"), version("a", "first")); }));
  EXPECT_CODE(Code::already_exists,
              write([](Sql& sql) { return documents::create(sql, document("web"), version("b")); }));
  EXPECT_EQ(*add(version("b", "second")), 2u);
  EXPECT_EQ(add(version("a")).error().reason(), "duplicate-content");
  EXPECT_EQ(add(version("c", "second")).error().reason(), "duplicate-version-name");

  const auto kept = read([](Sql& sql) { return documents::get(sql, "web"); });
  ASSERT_OK(kept);
  EXPECT_EQ(kept->default_version, 1u);
  EXPECT_EQ(kept->latest_version, 2u);
  EXPECT_EQ(read([](Sql& sql) { return documents::get_version(sql, "web", 2); })->content, "b");
  EXPECT_EQ(read([](Sql& sql) { return documents::get_version_named(sql, "web", "first"); })->version, 1u);
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return documents::get_version_named(sql, "web", ""); }));

  EXPECT_EQ(write([](Sql& sql) { return documents::remove_version(sql, "web", 1); }).error().reason(),
            "default-version");
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return documents::set_default_version(sql, "web", 9); }));
  ASSERT_OK(write([](Sql& sql) { return documents::set_default_version(sql, "web", 2); }));
  ASSERT_OK(write([](Sql& sql) { return documents::remove_version(sql, "web", 1); }));
  EXPECT_EQ(*add(version("d")), 3u);  // a number is never given twice
  const auto listed = read([](Sql& sql) { return documents::list_versions(sql, "web", {.limit = 1, .after = {}}); });
  ASSERT_OK(listed);
  ASSERT_EQ(listed->items.size(), 1u);
  EXPECT_EQ(listed->items[0].version, 3u);
  EXPECT_EQ(listed->items[0].content, "");
  EXPECT_EQ(read([&](Sql& sql) {
              return documents::list_versions(sql, "web", {.limit = 5, .after = listed->next});
            })->items.size(),
            1u);
  ASSERT_OK(write([](Sql& sql) { return documents::remove(sql, "web"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return documents::get_version(sql, "web", 2); }));
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return documents::remove(sql, "web"); }));
}

TEST_P(DocumentsTest, AreListedByNameAndFilteredAndShared) {
  for (const char* name : {"web-b", "web-a", "database"})
    ASSERT_OK(write([&](Sql& sql) {
      return documents::create(sql, document(name, name[0] == 'd' ? "Automation" : "Command"), version("x"));
    }));
  const auto names = [&](const documents::Filter& filter, const Page& page = {}) {
    std::vector<std::string> found;
    const auto listed = read([&](Sql& sql) { return documents::list(sql, filter, page); });
    EXPECT_OK(listed);
    for (const auto& item : listed->items) found.push_back(item.name);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names({}), (Names{"database", "web-a", "web-b"}));
  EXPECT_EQ(names({}, {.limit = 50, .after = "database"}), (Names{"web-a", "web-b"}));
  EXPECT_EQ(names({.name_prefix = "web"}), (Names{"web-a", "web-b"}));
  EXPECT_EQ(names({.document_types = {"Automation"}}), Names{"database"});
  EXPECT_EQ(names({.names = {"web-b", "none"}}), Names{"web-b"});
  ASSERT_OK(write([](Sql& sql) { return documents::share(sql, "web-a", {"111122223333"}); }));
  ASSERT_OK(write([](Sql& sql) { return documents::set_target_type(sql, "web-a", "/AWS::EC2::Instance"); }));
  EXPECT_EQ(read([](Sql& sql) { return documents::get(sql, "web-a"); })->target_type, "/AWS::EC2::Instance");
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return documents::set_target_type(sql, "none", ""); }));
  EXPECT_EQ(read([](Sql& sql) { return documents::get(sql, "web-a"); })->shared_with, Names{"111122223333"});
  EXPECT_CODE(Code::not_found, write([](Sql& sql) { return documents::share(sql, "none", {}); }));
}

}  // namespace
}  // namespace belay::store
