// Inventory over the API: what is derived, what is put, what is asked, what is deleted.
#include "server/api/fixture_test.hpp"
#include "server/engine/engine.hpp"
#include "server/engine/inventory_deletion.hpp"

namespace belay::server {
namespace {

constexpr const char* kOther = "mi-0123456789abcdef1";

class InventoryApiTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_node(kOther, "db-1", "11");
    add_scan(kNode, debian_packages(), debian_offers());
  }
  json::Object rack(json::Value content, const char* node = kNode, const char* version = "1.0") const {
    json::Object item{{"TypeName", "Custom:Rack"}, {"SchemaVersion", version}, {"CaptureTime", "2026-01-01T10:00:00Z"}};
    if (!content.is_null()) item["Content"] = std::move(content);
    return {{"InstanceId", node}, {"Items", json::Array{item}}};
  }
  static json::Object with(json::Object request, std::string_view member, json::Value value) {
    request["Items"].as_array()[0].as_object()[member] = std::move(value);
    return request;
  }
  static json::Array one(json::Object entry) { return {std::move(entry)}; }
  static json::Object filter(const char* key, const char* value, const char* type = "Equal") {
    return {{"Key", key}, {"Values", json::Array{value}}, {"Type", type}};
  }
  std::vector<std::string> found(json::Array filters) {
    std::vector<std::string> ids;
    for (const auto& entity : ok("GetInventory", json::Object{{"Filters", std::move(filters)}}).list("Entities"))
      ids.push_back(json::text_or_empty(entity, "Id"));
    return ids;
  }
};
using Ids = std::vector<std::string>;

TEST_F(InventoryApiTest, WhatTheServerKnowsIsDerived) {
  const auto packages =
      ok("ListInventoryEntries", json::Object{{"InstanceId", kNode}, {"TypeName", "AWS:Application"}}).list("Entries");
  ASSERT_EQ(packages.size(), 2u);
  EXPECT_EQ(packages[0].at("Name"), "openssl");
  EXPECT_EQ(packages[0].at("Version"), "3.0.1");
  EXPECT_EQ(packages[0].at("Release"), "1");
  EXPECT_EQ(packages[0].at("Publisher"), "Debian");
  const auto entity = ok("GetInventory").list("Entities");
  ASSERT_EQ(entity.size(), 2u);
  const auto& item = entity[0].at("Data").at("AWS:InstanceInformation");
  EXPECT_EQ(item.at("SchemaVersion"), "1.0");
  EXPECT_EQ(item.at("Content").at(0).at("PlatformName"), "Debian GNU/Linux");
  EXPECT_EQ(item.at("Content").at(0).at("InstanceStatus"), "Active");
  ok("AddTagsToResource", json::Object{{"ResourceType", "ManagedInstance"},
                                       {"ResourceId", kNode},
                                       {"Tags", json::Array{json::Object{{"Key", "env"}, {"Value", "prod"}}}}});
  const auto tags = ok("ListInventoryEntries", json::Object{{"InstanceId", kNode}, {"TypeName", "AWS:Tag"}});
  EXPECT_EQ(tags.list("Entries")[0].at("Value"), "prod");
  const json::Object compliance{{"ResultAttributes", json::Array{json::Object{{"TypeName", "AWS:PatchSummary"}}}}};
  const auto summary = ok("GetInventory", compliance).list("Entities");
  EXPECT_EQ(summary[0].at("Data").at("AWS:PatchSummary").at("Content").at(0).at("MissingCount"), "1");
  EXPECT_TRUE(summary[1].at("Data").as_object().empty()) << "never scanned";
  const auto items =
      ok("ListInventoryEntries", json::Object{{"InstanceId", kNode}, {"TypeName", "AWS:ComplianceItem"}});
  EXPECT_EQ(items.list("Entries").size(), 2u);
}

TEST_F(InventoryApiTest, PutIsADeltaByHash) {
  ok("PutInventory", rack(one({{"Bay", "A"}})));
  const auto entries = [&] {
    return ok("ListInventoryEntries", json::Object{{"InstanceId", kNode}, {"TypeName", "Custom:Rack"}});
  };
  EXPECT_EQ(entries().list("Entries")[0].at("Bay"), "A");
  EXPECT_EQ(entries().text("CaptureTime"), "2026-01-01T10:00:00Z");
  const auto before = audit_entries();
  ok("PutInventory", with(rack(one({{"Bay", "A"}})), "ContentHash", "theirs"));
  EXPECT_EQ(audit_entries(), before) << "nothing changed";
  ok("PutInventory", with(with(rack(nullptr), "ContentHash", "theirs"), "CaptureTime", "2026-01-02T10:00:00Z"));
  EXPECT_EQ(entries().text("CaptureTime"), "2026-01-02T10:00:00Z");
  expect_error("ItemContentMismatchException", "PutInventory", with(rack(nullptr), "ContentHash", "unknown"));
  expect_error("ItemContentMismatchException", "PutInventory",
               with(rack(one({{"Bay", "B"}})), "ContentHash", "theirs"));
  EXPECT_EQ(entries().list("Entries")[0].at("Bay"), "A");
}

TEST_F(InventoryApiTest, WrongItemsAreRefusedAndNothingIsKept) {
  const auto before = audit_entries();
  const auto fine = rack(one({{"Bay", "A"}}));
  json::Object wide;
  for (int i = 0; i < 50; ++i) wide["a" + std::to_string(i)] = "x";
  json::Array big;
  for (int i = 0; i < 60; ++i) big.push_back(json::Object{{"Bay", std::string(4096, 'x')}});
  const struct {
    const char* what;
    json::Object request;
    const char* error;
  } rows[] = {
      {"no such node", rack(one({{"Bay", "A"}}), "mi-ffffffffffffffff0"), "InvalidInstanceId"},
      {"derived", with(fine, "TypeName", "AWS:Application"), "InvalidTypeNameException"},
      {"unknown", with(fine, "TypeName", "AWS:Weather"), "InvalidTypeNameException"},
      {"no name", with(fine, "TypeName", "Custom: "), "InvalidTypeNameException"},
      {"not SSM's", with(fine, "TypeName", "Mine:Rack"), "ValidationException"},
      {"context", with(fine, "Context", json::Object{{"a", "b"}}), "UnsupportedInventoryItemContextException"},
      {"neither content nor hash", rack(nullptr), "InvalidItemContentException"},
      {"a time that is none", with(fine, "CaptureTime", "yesterday"), "ValidationException"},
      {"a version that is none", with(fine, "SchemaVersion", "one"), "ValidationException"},
      {"a version that is not there", with(with(fine, "TypeName", "AWS:File"), "SchemaVersion", "2.0"),
       "UnsupportedInventorySchemaVersionException"},
      {"an attribute that is not there", with(fine, "TypeName", "AWS:File"), "InvalidItemContentException"},
      {"too large", rack(big), "ItemSizeLimitExceededException"},
      {"too wide", rack(json::Array{wide, json::Object{{"more", "x"}}}), "InvalidItemContentException"},
  };
  for (const auto& row : rows) {
    SCOPED_TRACE(row.what);
    expect_error(row.error, "PutInventory", row.request);
  }
  auto twice = fine;
  twice["Items"].as_array().push_back(twice["Items"].as_array()[0]);
  expect_error("InvalidItemContentException", "PutInventory", twice);
  EXPECT_EQ(audit_entries(), before);
  EXPECT_EQ(ok("GetInventorySchema").list("Schemas").size(), 9u);
  json::Object file{{"Name", "hosts"}, {"InstalledDir", "/etc"}, {"Size", "221"}};
  ok("PutInventory", with(rack(one(file)), "TypeName", "AWS:File"));
}

TEST_F(InventoryApiTest, FiltersAndPages) {
  ok("PutInventory", rack(one({{"Bay", "A"}, {"Height", "7"}})));
  ok("PutInventory", rack(one({{"Bay", "B"}, {"Height", "10"}}), kOther));
  const struct {
    json::Array filters;
    Ids ids;
  } rows[] = {
      {{filter("Custom:Rack.Bay", "A")}, {kNode}},
      {{filter("Custom:Rack.Bay", "A", "NotEqual")}, {kOther}},
      {{filter("Custom:Rack.Height", "9", "GreaterThan")}, {kOther}},
      {{filter("Custom:Rack.Height", "9", "LessThan")}, {kNode}},
      {{filter("AWS:Application.Name", "open", "BeginWith")}, {kNode}},
      {{filter("AWS:Application.Name", "openssl"), filter("AWS:Application.Version", "3.0.2", "LessThan")}, {kNode}},
      {{filter("AWS:Application.Name", "openssl"), filter("AWS:Application.Version", "9.0")}, {}},
      {{filter("AWS:Application.Name", "openssl", "NotEqual")}, {kOther}},
      {{filter("AWS:InstanceInformation.PlatformVersion", "11")}, {kOther}},
      {{filter("AWS:InstanceInformation.InstanceId", kOther), filter("Custom:Rack.Bay", "A")}, {}},
  };
  for (const auto& row : rows) EXPECT_EQ(found(row.filters), row.ids) << json::to_text(row.filters);
  const auto first = ok("GetInventory", json::Object{{"MaxResults", 1}});
  ASSERT_EQ(first.list("Entities").size(), 1u);
  const auto second = ok("GetInventory", json::Object{{"MaxResults", 1}, {"NextToken", first.text("NextToken")}});
  EXPECT_EQ(second.list("Entities")[0].at("Id"), kOther);
  EXPECT_EQ(second.text("NextToken"), "");
  const json::Object entries{{"InstanceId", kNode}, {"TypeName", "AWS:Application"}, {"MaxResults", 1}};
  const auto page = ok("ListInventoryEntries", entries);
  ASSERT_EQ(page.list("Entries").size(), 1u);
  auto next = entries;
  next["NextToken"] = page.text("NextToken");
  EXPECT_EQ(ok("ListInventoryEntries", next).list("Entries")[0].at("Name"), "vim");
  const auto wrong = [&](const char* error, json::Object request) { expect_error(error, "GetInventory", request); };
  wrong("InvalidFilter", {{"Filters", json::Array{filter("Bay", "A")}}});
  wrong("InvalidFilter", {{"Filters", json::Array{filter("Custom:Rack.Colour", "A")}}});
  wrong("InvalidTypeNameException", {{"Filters", json::Array{filter("Custom:None.Bay", "A")}}});
  wrong("InvalidFilter", {{"Filters", json::Array{filter("Custom:Rack.Bay", "true", "Exists")}}});
  wrong("InvalidResultAttributeException",
        {{"ResultAttributes", json::Array{json::Object{{"TypeName", "Custom:None"}}}}});
  expect_error("InvalidFilter", "ListInventoryEntries",
               json::Object{{"InstanceId", kNode},
                            {"TypeName", "AWS:Application"},
                            {"Filters", json::Array{filter("AWS:Tag.Key", "a")}}});
}

TEST_F(InventoryApiTest, Counts) {
  ok("PutInventory", rack(one({{"Bay", "A"}})));
  const auto count = [&](json::Value aggregator) {
    return ok("GetInventory", json::Object{{"Aggregators", json::Array{std::move(aggregator)}}}).list("Entities");
  };
  const auto platforms = count(json::Object{{"Expression", "AWS:InstanceInformation.PlatformType"}});
  const auto& content = platforms[0].at("Data").at("AWS:InstanceInformation").at("Content");
  EXPECT_EQ(content.at(0).at("Count"), "2");
  EXPECT_EQ(content.at(0).at("PlatformType"), "Linux");
  const auto nested =
      count(json::Object{{"Expression", "AWS:InstanceInformation.PlatformVersion"},
                         {"Aggregators", json::Array{json::Object{{"Expression", "AWS:Application.Name"}}}}});
  EXPECT_EQ(nested[0].at("Data").at("AWS:InstanceInformation").at("Content").as_array().size(), 2u);
  const auto groups = count(json::Object{
      {"Groups", json::Array{json::Object{{"Name", "racked"},
                                          {"Filters", json::Array{filter("Custom:Rack", "true", "Exists")}}}}}});
  const auto& group = groups[0].at("Data").at("racked").at("Content").at(0);
  EXPECT_EQ(group.at("matchingCount"), "1");
  EXPECT_EQ(group.at("notMatchingCount"), "1");
  const auto wrong = [&](const char* error, json::Object aggregator) {
    expect_error(error, "GetInventory", json::Object{{"Aggregators", json::Array{std::move(aggregator)}}});
  };
  wrong("InvalidAggregatorException", {});
  wrong("InvalidAggregatorException", {{"Expression", "PlatformType"}});
  wrong("InvalidAggregatorException", {{"Expression", "AWS:InstanceInformation.Mood"}});
  wrong("InvalidTypeNameException", {{"Expression", "Custom:None.a"}});
  expect_error("InvalidResultAttributeException", "GetInventory",
               json::Object{{"Aggregators", json::Array{json::Object{{"Expression", "AWS:Application.Name"}}}},
                            {"ResultAttributes", json::Array{json::Object{{"TypeName", "AWS:Application"}}}}});
}

TEST_F(InventoryApiTest, SchemasAndDeletions) {
  ok("PutInventory", rack(one({{"Bay", "A"}})));
  ok("PutInventory", rack(one({{"Row", "1"}}), kOther));
  const auto schema = ok("GetInventorySchema", json::Object{{"TypeName", "Custom:Rack"}}).list("Schemas");
  ASSERT_EQ(schema.size(), 1u);
  EXPECT_EQ(schema[0].at("Attributes").as_array().size(), 2u);
  EXPECT_EQ(ok("GetInventorySchema", json::Object{{"SubType", true}, {"TypeName", "AWS:ComplianceItem"}})
                .list("Schemas")[0]
                .at("TypeName"),
            "AWS:ComplianceItem:Patch");
  expect_error("InvalidTypeNameException", "GetInventorySchema", json::Object{{"TypeName", "Custom:None"}});
  expect_error("InvalidTypeNameException", "DeleteInventory", json::Object{{"TypeName", "AWS:Application"}});
  expect_error("InvalidTypeNameException", "DeleteInventory", json::Object{{"TypeName", "Custom:None"}});
  expect_error("InvalidDeletionIdException", "DescribeInventoryDeletions",
               json::Object{{"DeletionId", "01234567-89ab-4def-8123-456789abcdef"}});
  const json::Object ask{{"TypeName", "Custom:Rack"}, {"SchemaDeleteOption", "DisableSchema"}};
  auto dry = ask;
  dry["DryRun"] = true;
  EXPECT_EQ(ok("DeleteInventory", dry).body.at("DeletionSummary").at("TotalCount"), 2);
  EXPECT_TRUE(ok("DescribeInventoryDeletions").list("InventoryDeletions").empty());
  auto token = ask;
  token["ClientToken"] = "01234567-89ab-4def-8123-456789abcdef";
  const auto id = ok("DeleteInventory", token).text("DeletionId");
  EXPECT_EQ(ok("DeleteInventory", token).text("DeletionId"), id) << "the same token is the same deletion";
  Engine engine(*store_, clock_, {.owner = "test"});
  engine.add(make_inventory_deletion_kind());
  while (*engine.run_once() > 0) clock_.advance(Duration(1'000));
  const auto done = ok("DescribeInventoryDeletions", json::Object{{"DeletionId", id}}).list("InventoryDeletions");
  EXPECT_EQ(done[0].at("LastStatus"), "Complete");
  EXPECT_EQ(done[0].at("DeletionSummary").at("RemainingCount"), 0);
  EXPECT_TRUE(ok("ListInventoryEntries", json::Object{{"InstanceId", kNode}, {"TypeName", "Custom:Rack"}})
                  .list("Entries")
                  .empty());
  expect_error("UnsupportedInventorySchemaVersionException", "PutInventory", rack(one({{"Bay", "A"}})));
  ok("PutInventory", rack(one({{"Bay", "A"}}), kNode, "1.1"));
  ok("DeleteInventory", json::Object{{"TypeName", "Custom:Rack"}, {"SchemaDeleteOption", "DeleteSchema"}});
  expect_error("InvalidTypeNameException", "GetInventorySchema", json::Object{{"TypeName", "Custom:Rack"}});
}

}  // namespace
}  // namespace belay::server
