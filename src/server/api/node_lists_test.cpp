// ListNodes and its kin, service settings, and what may be tagged.
#include "server/api/fixture_test.hpp"

namespace belay::server {
namespace {

constexpr const char* kOther = "mi-0123456789abcdef1";

class NodeListsTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_node(kOther, "db-1", "11");
  }
  static json::Object filter(const char* key, const char* value, const char* type = "Equal") {
    return {{"Filters", json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}, {"Type", type}}}}};
  }
};

TEST_F(NodeListsTest, ListNodes) {
  const auto all = ok("ListNodes").list("Nodes");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].at("NodeType").at("Instance").at("PlatformName"), "Debian GNU/Linux");
  EXPECT_EQ(all[0].at("NodeType").at("Instance").at("ManagedStatus"), "Managed");
  const struct {
    const char* key;
    const char* value;
    const char* type;
    std::size_t found;
  } rows[] = {{"PlatformVersion", "12", "Equal", 1},    {"PlatformVersion", "12", "NotEqual", 1},
              {"ComputerName", "web", "BeginWith", 1},  {"InstanceId", kOther, "Equal", 1},
              {"ManagedStatus", "All", "Equal", 2},     {"ManagedStatus", "Unmanaged", "Equal", 0},
              {"InstanceStatus", "Active", "Equal", 2}, {"AccountId", "123456789012", "Equal", 0}};
  for (const auto& row : rows)
    EXPECT_EQ(ok("ListNodes", filter(row.key, row.value, row.type)).list("Nodes").size(), row.found) << row.key;
  const auto first = ok("ListNodes", json::Object{{"MaxResults", 1}});
  const auto second = ok("ListNodes", json::Object{{"MaxResults", 1}, {"NextToken", first.text("NextToken")}});
  EXPECT_EQ(second.list("Nodes")[0].at("Id"), kOther);
  EXPECT_EQ(second.text("NextToken"), "");
  expect_error("ResourceDataSyncNotFoundException", "ListNodes", json::Object{{"SyncName", "everywhere"}});
  expect_error("ValidationException", "ListNodes", filter("Colour", "red"));
}

TEST_F(NodeListsTest, Summaries) {
  const auto count = [](const char* attribute) {
    return json::Object{{"AggregatorType", "Count"}, {"TypeName", "Instance"}, {"AttributeName", attribute}};
  };
  const auto platforms = ok("ListNodesSummary", json::Object{{"Aggregators", json::Array{count("PlatformName")}}});
  ASSERT_EQ(platforms.list("Summary").size(), 1u);
  EXPECT_EQ(platforms.list("Summary")[0].at("Count"), "2");
  auto nested = count("PlatformName");
  nested["Aggregators"] = json::Array{count("PlatformVersion")};
  const auto versions = ok("ListNodesSummary", json::Object{{"Aggregators", json::Array{nested}}}).list("Summary");
  ASSERT_EQ(versions.size(), 2u);
  EXPECT_EQ(versions[0].at("PlatformVersion"), "11");
  expect_error("ValidationException", "ListNodesSummary", json::Object{{"Aggregators", json::Array{count("Mood")}}});
}

TEST_F(NodeListsTest, PropertiesAndConnections) {
  const auto ask = [](const char* key, const char* value, const char* op) {
    return json::Object{{"FiltersWithOperator",
                         json::Array{json::Object{{"Key", key}, {"Values", json::Array{value}}, {"Operator", op}}}}};
  };
  EXPECT_EQ(ok("DescribeInstanceProperties").list("InstanceProperties").size(), 2u);
  EXPECT_EQ(ok("DescribeInstanceProperties", ask("InstanceIds", kNode, "NotEqual"))
                .list("InstanceProperties")[0]
                .at("InstanceId"),
            kOther);
  const json::Object old{{"InstancePropertyFilterList",
                          json::Array{json::Object{{"key", "PingStatus"}, {"valueSet", json::Array{"Inactive"}}}}}};
  EXPECT_TRUE(ok("DescribeInstanceProperties", old).list("InstanceProperties").empty());
  expect_error("InvalidFilterKey", "DescribeInstanceProperties", ask("Colour", "red", "Equal"));
  EXPECT_EQ(ok("GetConnectionStatus", json::Object{{"Target", kNode}}).text("Status"), "connected");
  EXPECT_EQ(ok("GetConnectionStatus", json::Object{{"Target", "mi-ffffffffffffffff0"}}).text("Status"), "notconnected");
  clock_.advance(Duration(3'600'000));
  EXPECT_EQ(ok("GetConnectionStatus", json::Object{{"Target", kNode}}).text("Status"), "notconnected");
}

TEST_F(NodeListsTest, ServiceSettings) {
  const auto get = [&](const char* id) {
    return ok("GetServiceSetting", json::Object{{"SettingId", id}}).body.at("ServiceSetting");
  };
  EXPECT_EQ(get("/ssm/managed-instance/activation-tier").at("Status"), "Default");
  EXPECT_EQ(get("/belay/judge/stale-after").at("SettingValue"), "7d");
  add_scan(kNode, debian_packages(), debian_offers());
  const auto status = [&] {
    return ok("DescribeNodeCompliance", json::Object{{"InstanceIds", json::Array{kNode}}})
        .list("NodeCompliance")[0]
        .at("Status");
  };
  clock_.advance(Duration(7'200'000));
  EXPECT_EQ(status(), "NON_COMPLIANT");
  ok("UpdateServiceSetting", json::Object{{"SettingId", "/belay/judge/stale-after"}, {"SettingValue", "1h"}});
  EXPECT_EQ(status(), "UNKNOWN") << "the setting is in force at once";
  EXPECT_EQ(get("/belay/judge/stale-after").at("Status"), "Customized");
  EXPECT_EQ(get("arn:aws:ssm:us-east-1:123456789012:servicesetting/belay/judge/stale-after").at("LastModifiedUser"),
            "admin");
  const auto reset = ok("ResetServiceSetting", json::Object{{"SettingId", "/belay/judge/stale-after"}});
  EXPECT_EQ(reset.body.at("ServiceSetting").at("SettingValue"), "7d");
  EXPECT_EQ(status(), "NON_COMPLIANT");
  for (const char* value : {"soon", "1s", "400d", ""})
    expect_error("ValidationException", "UpdateServiceSetting",
                 json::Object{{"SettingId", "/belay/judge/dark-after"}, {"SettingValue", value}});
  expect_error("ValidationException", "UpdateServiceSetting",
               json::Object{{"SettingId", "/ssm/managed-instance/activation-tier"}, {"SettingValue", "gold"}});
  for (const char* operation : {"GetServiceSetting", "ResetServiceSetting"})
    expect_error("ServiceSettingNotFound", operation, json::Object{{"SettingId", "/ssm/opscenter"}});
}

TEST_F(NodeListsTest, EveryKindOfResourceIsTaggedOrRefusedByName) {
  const auto tag = [](const char* type, const char* id) {
    return json::Object{{"ResourceType", type},
                        {"ResourceId", id},
                        {"Tags", json::Array{json::Object{{"Key", "team"}, {"Value", "web"}}}}};
  };
  ok("AddTagsToResource", tag("ManagedInstance", kNode));
  for (const char* type : {"Parameter", "OpsItem", "OpsMetadata"}) {
    const auto answer = call("AddTagsToResource", tag(type, "x-1"));
    EXPECT_EQ(answer.type, "InvalidResourceType") << type;
    EXPECT_NE(answer.message.find(type), std::string::npos) << answer.message;
  }
  for (const char* type : {"ManagedInstance", "PatchBaseline", "MaintenanceWindow", "Document"})
    EXPECT_EQ(call("AddTagsToResource", tag(type, "mi-ffffffffffffffff0")).type, "InvalidResourceId") << type;
  EXPECT_EQ(call("AddTagsToResource", tag("Document", "AWS-RunPatchBaseline")).type, "InvalidResourceId");
  expect_error("ValidationException", "AddTagsToResource", tag("Bucket", "x-1"));
}

}  // namespace
}  // namespace belay::server
