// Nodes, their patches and verdicts, tags, commands and change sets, against one judged node.
#include <algorithm>
#include <set>
#include <thread>

#include "server/api/fixture_test.hpp"

namespace belay::server {
namespace {

class FleetTest : public ApiTest {
 protected:
  void SetUp() override {
    add_node(kNode, "web-1");
    add_scan(kNode, debian_packages(), debian_offers());
  }
  static json::Object of_node() { return {{"InstanceId", kNode}}; }
  static const json::Value* find_row(const json::Array& rows, std::string_view member, std::string_view value) {
    const auto found =
        std::ranges::find_if(rows, [&](const auto& row) { return json::text_or_empty(row, member) == value; });
    return found == rows.end() ? nullptr : &*found;
  }
};

TEST_F(FleetTest, InformationAndItsFilters) {
  const auto all = ok("DescribeInstanceInformation").list("InstanceInformationList");
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(json::text_or_empty(all[0], "PlatformName"), "Debian GNU/Linux");
  EXPECT_EQ(json::text_or_empty(all[0], "PlatformVersion"), "12");
  EXPECT_EQ(json::text_or_empty(all[0], "PingStatus"), "Online");
  ok("AddTagsToResource", json::Object{{"ResourceType", "ManagedInstance"},
                                       {"ResourceId", kNode},
                                       {"Tags", json::Array{json::Object{{"Key", "env"}, {"Value", "prod"}}}}});
  struct Row {
    const char* key;
    const char* value;
    std::size_t found;
  };
  const Row rows[] = {{"InstanceIds", kNode, 1},
                      {"InstanceIds", "mi-ffffffffffffffff0", 0},
                      {"PingStatus", "Online", 1},
                      {"PingStatus", "ConnectionLost", 0},
                      {"PlatformTypes", "Linux", 1},
                      {"PlatformTypes", "Windows", 0},
                      {"ResourceType", "ManagedInstance", 1},
                      {"ResourceType", "EC2Instance", 0},
                      {"tag:env", "prod", 1},
                      {"tag:env", "dev", 0},
                      {"tag-key", "env", 1},
                      {"AgentVersion", BELAY_VERSION, 1},
                      {"AgentVersion", "9.9", 0}};
  for (const auto& row : rows) {
    const json::Object ask{
        {"Filters", json::Array{json::Object{{"Key", row.key}, {"Values", json::Array{row.value}}}}}};
    EXPECT_EQ(ok("DescribeInstanceInformation", ask).list("InstanceInformationList").size(), row.found)
        << row.key << "=" << row.value;
  }
  expect_error("InvalidFilterKey", "DescribeInstanceInformation",
               json::Object{{"Filters", json::Array{json::Object{{"Key", "Colour"}, {"Values", json::Array{"x"}}}}}});
  clock_.advance(Duration(3'600'000));
  EXPECT_EQ(json::text_or_empty(ok("DescribeInstanceInformation").list("InstanceInformationList")[0], "PingStatus"),
            "ConnectionLost");
}

TEST_F(FleetTest, PatchesOfANode) {
  const auto patches = ok("DescribeInstancePatches", of_node()).list("Patches");
  ASSERT_EQ(patches.size(), 2u);
  const auto* openssl = find_row(patches, "KBId", "openssl.amd64");
  ASSERT_TRUE(openssl);
  EXPECT_EQ(json::text_or_empty(*openssl, "State"), "Missing");
  EXPECT_EQ(json::text_or_empty(*openssl, "Title"), "openssl.amd64:3.0.2-1");
  const json::Object missing{
      {"InstanceId", kNode},
      {"Filters", json::Array{json::Object{{"Key", "State"}, {"Values", json::Array{"Missing"}}}}}};
  EXPECT_EQ(ok("DescribeInstancePatches", missing).list("Patches").size(), 1u);
  const auto states =
      ok("DescribeInstancePatchStates", json::Object{{"InstanceIds", json::Array{kNode, "mi-ffffffffffffffff0"}}})
          .list("InstancePatchStates");
  ASSERT_EQ(states.size(), 1u);
  EXPECT_EQ(states[0].at("MissingCount"), 1);
  EXPECT_EQ(states[0].at("InstanceId"), kNode);
  EXPECT_TRUE(json::text_or_empty(states[0], "BaselineId").starts_with("pb-"));
  EXPECT_EQ(states[0].at("Operation"), "Scan");
  expect_error("InvalidInstanceId", "DescribeInstancePatches", json::Object{{"InstanceId", "mi-ffffffffffffffff0"}});
}

TEST_F(FleetTest, GroupsOfNodes) {
  ok("AddTagsToResource", json::Object{{"ResourceType", "ManagedInstance"},
                                       {"ResourceId", kNode},
                                       {"Tags", json::Array{json::Object{{"Key", "Patch Group"}, {"Value", "web"}}}}});
  const auto group = ok("DescribePatchGroupState", json::Object{{"PatchGroup", "web"}});
  EXPECT_EQ(group.body.at("Instances"), 1);
  EXPECT_EQ(group.body.at("InstancesWithMissingPatches"), 1);
  EXPECT_EQ(ok("DescribePatchGroupState", json::Object{{"PatchGroup", "none"}}).body.at("Instances"), 0);
  const auto filtered = [&](const char* type, const char* value) {
    return ok("DescribeInstancePatchStatesForPatchGroup",
              json::Object{{"PatchGroup", "web"},
                           {"Filters", json::Array{json::Object{
                                           {"Key", "MissingCount"}, {"Values", json::Array{value}}, {"Type", type}}}}})
        .list("InstancePatchStates")
        .size();
  };
  EXPECT_EQ(filtered("Equal", "1"), 1u);
  EXPECT_EQ(filtered("GreaterThan", "0"), 1u);
  EXPECT_EQ(filtered("LessThan", "1"), 0u);
  EXPECT_EQ(filtered("NotEqual", "1"), 0u);
}

TEST_F(FleetTest, TheCatalogueAnswersForLinux) {
  const auto all = ok("DescribeAvailablePatches").list("Patches");
  ASSERT_EQ(all.size(), 4u);
  const json::Object security{
      {"Filters", json::Array{json::Object{{"Key", "CLASSIFICATION"}, {"Values", json::Array{"Security"}}}}}};
  const auto patches = ok("DescribeAvailablePatches", security).list("Patches");
  ASSERT_EQ(patches.size(), 1u);
  EXPECT_EQ(json::text_or_empty(patches[0], "Name"), "openssl");
  EXPECT_EQ(json::text_or_empty(patches[0], "Product"), "Debian12");
  EXPECT_FALSE(json::find(patches[0], "ReleaseDate")) << "when the fleet saw it first is no release";
  EXPECT_EQ(json::text_or_empty(patches[0], "Repository"), "oldstable-security/main");
  json::Object ask{{"MaxResults", 3}};
  const auto first = ok("DescribeAvailablePatches", ask);
  EXPECT_EQ(first.list("Patches").size(), 3u);
  ask["NextToken"] = first.text("NextToken");
  const auto second = ok("DescribeAvailablePatches", ask);
  EXPECT_EQ(second.list("Patches").size(), 1u);
  EXPECT_EQ(second.text("NextToken"), "");
  const std::string id = ok("GetDefaultPatchBaseline", json::Object{{"OperatingSystem", "DEBIAN"}}).text("BaselineId");
  const auto effective =
      ok("DescribeEffectivePatchesForPatchBaseline", json::Object{{"BaselineId", id}}).list("EffectivePatches");
  ASSERT_FALSE(effective.empty());
  EXPECT_TRUE(std::ranges::any_of(effective, [](const auto& row) {
    return row.at("Patch").at("Title") == "openssl.amd64:3.0.2-1" &&
           row.at("PatchStatus").at("DeploymentStatus") == "APPROVED";
  }));
  const auto properties =
      ok("DescribePatchProperties", json::Object{{"OperatingSystem", "DEBIAN"}, {"Property", "PRODUCT"}})
          .list("Properties");
  EXPECT_TRUE(find_row(properties, "Name", "Debian12"));
  EXPECT_TRUE(
      ok("DescribePatchProperties", json::Object{{"OperatingSystem", "WINDOWS"}, {"Property", "PRODUCT"}}).status ==
      200);
}

TEST_F(FleetTest, ASnapshotStaysAsItWasAndItsLinkIsSealed) {
  const json::Object ask{{"InstanceId", kNode}, {"SnapshotId", "4681775b-098f-4435-a956-0ef33373ac11"}};
  const auto first = ok("GetDeployablePatchSnapshotForInstance", ask);
  EXPECT_EQ(first.text("Product"), "Debian12");
  const std::string url = first.text("SnapshotDownloadUrl"), base = "https://belay.example.org:8443";
  ASSERT_TRUE(url.starts_with(base + "/api/snapshots/")) << url;
  io::HttpRequest get;
  get.method = "GET";
  get.target = url.substr(base.size());
  ASSERT_TRUE(Api::wants(get));
  const auto frozen = api_->answer(get);
  EXPECT_EQ(frozen.status, 200);
  EXPECT_NE(frozen.body.find("AWS-DebianDefaultPatchBaseline"), std::string::npos);
  const std::string id =
      ok("CreatePatchBaseline",
         json::Object{{"Name", "newer"}, {"OperatingSystem", "DEBIAN"}, {"ApprovedPatches", json::Array{"vim"}}})
          .text("BaselineId");
  ok("RegisterDefaultPatchBaseline", json::Object{{"BaselineId", id}});
  ok("GetDeployablePatchSnapshotForInstance", ask);
  EXPECT_EQ(api_->answer(get).body, frozen.body) << "the first freezing stands";
  io::HttpRequest forged = get;
  forged.target.back() = forged.target.back() == '0' ? '1' : '0';
  EXPECT_EQ(api_->answer(forged).status, 403);
  clock_.advance(Duration(25LL * 3'600'000));
  EXPECT_EQ(api_->answer(get).status, 403);
}

TEST_F(FleetTest, EvidenceNamesRuleSetsAndTime) {
  const auto evidence = ok("GetNodeEvidence", of_node());
  EXPECT_EQ(evidence.body.at("Verdict").at("Status"), "NON_COMPLIANT");
  EXPECT_EQ(evidence.body.at("Verdict").at("Counts").at("MissingCount"), 1);
  EXPECT_EQ(json::text_or_empty(evidence.body.at("Evidence"), "PackageSetHash").size(), 64u);
  EXPECT_EQ(evidence.body.at("Baseline").at("Name"), "AWS-DebianDefaultPatchBaseline");
  ASSERT_EQ(evidence.list("Patches").size(), 2u);
  const auto* openssl = find_row(evidence.list("Patches"), "Name", "openssl");
  const auto patches = evidence.list("Patches");
  openssl = find_row(patches, "Name", "openssl");
  ASSERT_TRUE(openssl);
  EXPECT_EQ(openssl->at("State"), "MISSING");
  EXPECT_EQ(openssl->at("Decision").at("By"), "approval_rule");
  EXPECT_NE(json::text_or_empty(openssl->at("Decision"), "Text").find("first seen"), std::string::npos);
  EXPECT_TRUE(json::find(*openssl, "FirstSeenDate"));
  EXPECT_FALSE(json::find(*openssl, "ReleasedDate")) << "nobody said when it was released";
  const json::Object only{
      {"InstanceId", kNode}, {"States", json::Array{"MISSING"}}, {"PackageNames", json::Array{"vim"}}};
  EXPECT_TRUE(ok("GetNodeEvidence", only).list("Patches").empty());
}

TEST_F(FleetTest, AsOfATimeIsAnsweredAsThingsWereThen) {
  const Instant then = clock_.now();
  clock_.advance(Duration(3'600'000));
  auto packages = debian_packages();
  packages.packages[0].version = "3.0.2-1";
  add_scan(kNode, packages, debian_offers());
  const auto now = ok("DescribeNodeCompliance").list("NodeCompliance");
  ASSERT_EQ(now.size(), 1u);
  EXPECT_EQ(now[0].at("Status"), "COMPLIANT");
  const auto before = ok("DescribeNodeCompliance", json::Object{{"AsOf", to_iso8601(then)}}).list("NodeCompliance");
  const auto ahead = to_iso8601(clock_.now() + Duration(1'000));
  EXPECT_NE(expect_error("ValidationException", "DescribeNodeCompliance", json::Object{{"AsOf", ahead}}).find("AsOf"),
            std::string::npos);
  expect_error("ValidationException", "GetNodeEvidence", json::Object{{"InstanceId", kNode}, {"AsOf", ahead}});
  ASSERT_EQ(before.size(), 1u);
  EXPECT_EQ(before[0].at("Status"), "NON_COMPLIANT");
  const auto long_ago =
      ok("DescribeNodeCompliance", json::Object{{"AsOf", to_iso8601(then - Duration(1'000))}}).list("NodeCompliance");
  EXPECT_TRUE(long_ago.empty()) << "it was not in the fleet yet";
  EXPECT_EQ(ok("GetNodeEvidence", json::Object{{"InstanceId", kNode}, {"AsOf", to_iso8601(then)}})
                .body.at("Verdict")
                .at("Status"),
            "NON_COMPLIANT");
}

TEST_F(FleetTest, StaleIsUnknownAndCountsAsSuch) {
  clock_.advance(Duration(8LL * 24 * 3'600'000));
  const auto rows =
      ok("DescribeNodeCompliance", json::Object{{"InstanceIds", json::Array{kNode}}}).list("NodeCompliance");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("Status"), "UNKNOWN");
  EXPECT_FALSE(rows[0].at("Reasons").as_array().empty());
  const auto report = ok("GetFleetReport");
  EXPECT_EQ(report.body.at("NodeCount"), 1);
  EXPECT_EQ(report.body.at("Compliance").at("UNKNOWN"), 1);
  EXPECT_EQ(report.body.at("Compliance").at("COMPLIANT"), 0);
  const json::Object only{
      {"Filters", json::Array{json::Object{{"Key", "Status"}, {"Values", json::Array{"COMPLIANT"}}}}}};
  EXPECT_TRUE(ok("DescribeNodeCompliance", only).list("NodeCompliance").empty());
}

TEST_F(FleetTest, ANodeInFull) {
  const auto node = ok("GetNode", of_node()).body.at("Node");
  EXPECT_EQ(node.at("Name"), "web-1");
  EXPECT_EQ(node.at("Facts").at("os_id"), "debian");
  EXPECT_EQ(node.at("NewestScan").at("PackageCount"), 2);
  EXPECT_EQ(node.at("Compliance").at("Status"), "NON_COMPLIANT");
  expect_error("InvalidInstanceId", "GetNode", json::Object{{"InstanceId", "mi-ffffffffffffffff0"}});
}

// It judges nothing, and is told all the same: as of a time, too.
TEST_F(FleetTest, ALeftSnapshotIsShownOnItsNode) {
  const Instant then = clock_.now();
  clock_.advance(Duration(1'000));
  const fleet::Problem left{fleet::Reason::other, "lvm:belay-1", "the snapshot belongs to no run", "look", false};
  add_scan(kNode, debian_packages(), debian_offers(), {left});
  const auto evidence = ok("GetNodeEvidence", of_node()).body;
  EXPECT_TRUE(evidence.at("Verdict").at("Reasons").as_array().empty());
  const auto told = ok("GetNode", of_node()).body.at("Node").at("NewestScan").at("Problems");
  EXPECT_EQ(told, evidence.at("Evidence").at("Problems"));
  ASSERT_EQ(told.as_array().size(), 1u);
  EXPECT_EQ(told.as_array()[0].at("Subject"), "lvm:belay-1");
  const auto before = ok("GetNodeEvidence", json::Object{{"InstanceId", kNode}, {"AsOf", to_iso8601(then)}}).body;
  EXPECT_TRUE(before.at("Evidence").at("Problems").as_array().empty());
}

TEST_F(FleetTest, ActivationsRolesAndFarewell) {
  const auto made =
      ok("CreateActivation",
         json::Object{{"IamRole", "service-role/x"}, {"DefaultInstanceName", "web"}, {"RegistrationLimit", 5}});
  EXPECT_GE(made.text("ActivationCode").size(), 20u);
  const auto list = ok("DescribeActivations").list("ActivationList");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].at("RegistrationLimit"), 5);
  EXPECT_EQ(list[0].at("Expired"), false);
  EXPECT_EQ(json::to_text(ok("DescribeActivations").body).find(made.text("ActivationCode")), std::string::npos);
  EXPECT_EQ(json::to_text(ok("ListAudit").body).find(made.text("ActivationCode")), std::string::npos);
  expect_error("InvalidParameters", "CreateActivation", json::Object{{"IamRole", "r"}, {"ExpirationDate", 1'000'000}});
  ok("DeleteActivation", json::Object{{"ActivationId", made.text("ActivationId")}});
  expect_error("InvalidActivation", "DeleteActivation", json::Object{{"ActivationId", made.text("ActivationId")}});
  ok("UpdateManagedInstanceRole", json::Object{{"InstanceId", kNode}, {"IamRole", "service-role/y"}});
  expect_error("InvalidInstanceId", "UpdateManagedInstanceRole",
               json::Object{{"InstanceId", "mi-ffffffffffffffff0"}, {"IamRole", "service-role/y"}});
  ok("DeregisterManagedInstance", of_node());
  EXPECT_TRUE(ok("DescribeInstanceInformation").list("InstanceInformationList").empty());
  expect_error("InvalidInstanceId", "DeregisterManagedInstance", json::Object{{"InstanceId", "mi-ffffffffffffffff0"}});
  EXPECT_EQ(ok("GetNode", of_node()).body.at("Node").at("State"), "deregistered") << "its history stays";
}

TEST_F(FleetTest, TagsOfResources) {
  const json::Object who{{"ResourceType", "ManagedInstance"}, {"ResourceId", kNode}};
  auto add = who;
  add["Tags"] = json::Array{json::Object{{"Key", "a"}, {"Value", "1"}}, json::Object{{"Key", "b"}, {"Value", ""}}};
  ok("AddTagsToResource", add);
  EXPECT_EQ(ok("ListTagsForResource", who).list("TagList").size(), 2u);
  auto remove = who;
  remove["TagKeys"] = json::Array{"a", "none"};
  ok("RemoveTagsFromResource", remove);
  EXPECT_EQ(ok("ListTagsForResource", who).list("TagList").size(), 1u);
  expect_error("InvalidResourceId", "ListTagsForResource",
               json::Object{{"ResourceType", "ManagedInstance"}, {"ResourceId", "mi-ffffffffffffffff0"}});
  expect_error("InvalidResourceType", "ListTagsForResource",
               json::Object{{"ResourceType", "Parameter"}, {"ResourceId", "x"}});
  json::Array many;
  for (int i = 0; i < 51; ++i) many.push_back(json::Object{{"Key", "k" + std::to_string(i)}, {"Value", ""}});
  add["Tags"] = std::move(many);
  expect_error("TooManyTagsError", "AddTagsToResource", add);
}

TEST_F(FleetTest, CommandsAreSentListedAndCancelled) {
  const json::Object send{{"DocumentName", "AWS-RunShellScript"},
                          {"InstanceIds", json::Array{kNode}},
                          {"Parameters", {{"commands", json::Array{"true"}}}},
                          {"Comment", "hello"}};
  const auto sent = ok("SendCommand", send).body.at("Command");
  const std::string id = json::text_or_empty(sent, "CommandId");
  EXPECT_EQ(sent.at("TargetCount"), 1);
  EXPECT_EQ(sent.at("Parameters").at("commands").at(0), "true");
  EXPECT_EQ(ok("ListCommands", json::Object{{"CommandId", id}}).list("Commands").size(), 1u);
  const auto invocations =
      ok("ListCommandInvocations", json::Object{{"CommandId", id}, {"Details", true}}).list("CommandInvocations");
  ASSERT_EQ(invocations.size(), 1u);
  EXPECT_EQ(invocations[0].at("InstanceId"), kNode);
  EXPECT_EQ(invocations[0].at("CommandPlugins").as_array().size(), 1u);
  const json::Object one{{"CommandId", id}, {"InstanceId", kNode}};
  EXPECT_EQ(ok("GetCommandInvocation", one).text("DocumentName"), "AWS-RunShellScript");
  ok("CancelCommand", json::Object{{"CommandId", id}});
  const std::string nobody = "01234567-89ab-4def-8123-456789abcdef";
  expect_error("InvalidCommandId", "ListCommands", json::Object{{"CommandId", nobody}});
  expect_error("InvalidCommandId", "CancelCommand", json::Object{{"CommandId", nobody}});
  expect_error("InvocationDoesNotExist", "GetCommandInvocation",
               json::Object{{"CommandId", id}, {"InstanceId", "mi-ffffffffffffffff0"}});
  auto plugin = one;
  plugin["PluginName"] = "aws:other";
  expect_error("InvalidPluginName", "GetCommandInvocation", plugin);
}

TEST_F(FleetTest, CommandsThatCannotBe) {
  const json::Object parameters{{"commands", json::Array{"true"}}};
  const auto with = [&](json::Object more) {
    json::Object out{{"DocumentName", "AWS-RunShellScript"}, {"Parameters", parameters}};
    for (auto& member : more) out[member.key()] = member.value();
    return out;
  };
  expect_error("InvalidDocument", "SendCommand",
               with({{"DocumentName", "No-Such"}, {"InstanceIds", json::Array{kNode}}}));
  expect_error("InvalidParameters", "SendCommand", with({}));
  expect_error("DuplicateInstanceId", "SendCommand", with({{"InstanceIds", json::Array{kNode, kNode}}}));
  expect_error("InvalidInstanceId", "SendCommand", with({{"InstanceIds", json::Array{"mi-ffffffffffffffff0"}}}));
  expect_error("InvalidParameters", "SendCommand",
               with({{"InstanceIds", json::Array{kNode}}, {"Parameters", {{"nonsense", json::Array{"x"}}}}}));
  expect_error("ValidationException", "SendCommand",
               with({{"InstanceIds", json::Array{kNode}}, {"OutputS3BucketName", "bucket"}}));
}

TEST_F(FleetTest, AChangeSetIsBegun) {
  const json::Object ask{{"Name", "june"}, {"InstanceIds", json::Array{kNode}}, {"ClientToken", "token-0001"}};
  const auto made = ok("CreateChangeSet", ask);
  const std::string id = json::text_or_empty(made.body.at("ChangeSet"), "ChangeSetId");
  ASSERT_TRUE(id.starts_with("cs-")) << json::to_text(made.body);
  EXPECT_EQ(json::text_or_empty(ok("CreateChangeSet", ask).body.at("ChangeSet"), "ChangeSetId"), id)
      << "the token was used";
  EXPECT_EQ(ok("GetChangeSet", json::Object{{"ChangeSetId", id}}).body.at("ChangeSet").at("Name"), "june");
  EXPECT_EQ(ok("DescribeChangeSets").list("ChangeSets").size(), 1u);
  EXPECT_EQ(ok("DescribeChangeSets").list("ChangeSets")[0].at("NodeCount"), 1);
  expect_error("DoesNotExistException", "GetChangeSet", json::Object{{"ChangeSetId", "cs-ffffffffffffffff0"}});
  expect_error("ValidationException", "CreateChangeSet", json::Object{{"Name", "none"}});
}

TEST_F(FleetTest, AClientTokenTwiceAtOnceMakesOneChangeSet) {
  const json::Object ask{{"Name", "june"}, {"InstanceIds", json::Array{kNode}}, {"ClientToken", "token-0001"}};
  std::vector<std::string> ids(8);
  std::vector<std::thread> clients;
  for (auto& id : ids)
    clients.emplace_back(
        [&] { id = json::text_or_empty(call("CreateChangeSet", ask).body.at("ChangeSet"), "ChangeSetId"); });
  for (auto& client : clients) client.join();
  EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), 1u);
  EXPECT_EQ(ok("DescribeChangeSets").list("ChangeSets").size(), 1u);
  auto other = ask;
  other["Name"] = "july";
  expect_error("IdempotentParameterMismatch", "CreateChangeSet", other);
}

TEST_F(FleetTest, ASuspectedCloneIsShownAndSettled) {
  EXPECT_TRUE(ok("DescribeClonedNodes").list("ClonedNodes").empty());
  ASSERT_TRUE(
      store_->write([&](store::Sql& sql) { return store::nodes::mark_clone(sql, kNode, clock_.now(), "198.51.100.7"); })
          .ok());
  const auto clones = ok("DescribeClonedNodes").list("ClonedNodes");
  ASSERT_EQ(clones.size(), 1u);
  EXPECT_EQ(json::text_or_empty(clones[0], "InstanceId"), kNode);
  EXPECT_EQ(json::text_or_empty(clones[0], "OtherIPAddress"), "198.51.100.7");
  add_principal("reader", {"belay:Describe*"}, "a-readers-token-0123456789012345");
  EXPECT_EQ(call("SettleClonedNode", of_node(), "a-readers-token-0123456789012345").type, "AccessDeniedException");
  const auto before = audit_entries();
  EXPECT_TRUE(ok("SettleClonedNode", of_node()).body.as_object().contains("CloneSuspectedDate"));
  EXPECT_EQ(audit_entries(), before + 1);
  EXPECT_FALSE(ok("SettleClonedNode", of_node()).body.as_object().contains("CloneSuspectedDate"))
      << "nothing to settle";
  EXPECT_EQ(audit_entries(), before + 1);
  EXPECT_TRUE(ok("DescribeClonedNodes").list("ClonedNodes").empty());
  expect_error("InvalidInstanceId", "SettleClonedNode", json::Object{{"InstanceId", "mi-ffffffffffffffff0"}});
}

}  // namespace
}  // namespace belay::server
