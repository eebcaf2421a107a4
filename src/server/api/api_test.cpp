// The door: sign-in, permissions, bad input, replay.
#include "server/api/api.hpp"

#include <atomic>
#include <latch>

#include "server/api/fixture_test.hpp"
#include "server/api/operation.hpp"
#include "server/api/shapes/validate.hpp"

namespace belay::server {
namespace {

class DoorTest : public ApiTest {};

TEST_F(DoorTest, BothDoorsLeadToTheSameOperation) {
  const auto by_token = ok("DescribePatchBaselines");
  const auto by_signature = send(signed_request("DescribePatchBaselines", "{}"));
  ASSERT_EQ(by_signature.status, 200) << by_signature.type << by_signature.message;
  EXPECT_EQ(json::to_text(by_token.body), json::to_text(by_signature.body));
  EXPECT_FALSE(by_token.list("BaselineIdentities").empty());
}

TEST_F(DoorTest, WhoIsNotKnownIsRefused) {
  struct Row {
    const char* what;
    std::function<Answer()> ask;
    const char* type;
  };
  const Row rows[] = {
      {"no token", [&] { return call("ListCommands", json::Object(), ""); }, "MissingAuthenticationTokenException"},
      {"a wrong token", [&] { return call("ListCommands", json::Object(), "a-token-that-nobody-has-012345"); },
       "UnrecognizedClientException"},
      {"a wrong secret", [&] { return send(signed_request("ListCommands", "{}", "other")); },
       "InvalidSignatureException"},
      {"an unknown key",
       [&] {
         auto request = signed_request("ListCommands", "{}");
         for (auto& [name, value] : request.headers.fields)
           if (const auto at = value.find(kKeyId); at != std::string::npos) value.replace(at, 4, "BKID");
         return send(request);
       },
       "UnrecognizedClientException"},
      {"no signature",
       [&] {
         auto request = signed_request("ListCommands", "{}");
         std::erase_if(request.headers.fields, [](const auto& field) { return field.first == "Authorization"; });
         return send(request);
       },
       "MissingAuthenticationTokenException"},
      {"half a signature",
       [&] {
         auto request = signed_request("ListCommands", "{}");
         request.headers.fields.back().second = "AWS4-HMAC-SHA256 Credential=x";
         return send(request);
       },
       "IncompleteSignatureException"},
      {"a late request",
       [&] {
         auto request = signed_request("ListCommands", "{}");
         clock_.advance(Duration(301'000));
         return send(request);
       },
       "InvalidSignatureException"},
  };
  for (const auto& row : rows) EXPECT_EQ(row.ask().type, row.type) << row.what;
}

TEST_F(DoorTest, PermissionsDecide) {
  add_principal("reader", {"ssm:Describe*", "ssm:List*", "ssm:Get*"}, "a-readers-token-0123456789");
  EXPECT_EQ(call("DescribePatchBaselines", json::Object(), "a-readers-token-0123456789").status, 200);
  const auto refused = call("CreateActivation", json::Object{{"IamRole", "r"}}, "a-readers-token-0123456789");
  EXPECT_EQ(refused.type, "AccessDeniedException");
  EXPECT_NE(refused.message.find("ssm:CreateActivation"), std::string::npos);
  EXPECT_EQ(call("GetNode", json::Object{{"InstanceId", kNode}}, "a-readers-token-0123456789").type,
            "AccessDeniedException");
}

TEST_F(DoorTest, BadInputIsNamed) {
  struct Row {
    const char* operation;
    std::string body;
    const char* type;
  };
  const Row rows[] = {
      {"NoSuchThing", "{}", "UnknownOperationException"},
      {"", "{}", "UnknownOperationException"},
      {"UpdateInstanceInformation", "{}", "UnknownOperationException"},
      {"CreateOpsItem", "{}", "UnsupportedOperationException"},
      {"ListCommands", "{", "SerializationException"},
      {"ListCommands", "[]", "SerializationException"},
      {"ListCommands", "\"x\"", "SerializationException"},
      {"ListCommands", "{}{}", "SerializationException"},
      {"ListCommands", "{\"NextToken\":\"\xff\xfe\"}", "SerializationException"},
      {"ListCommands", "{\"x\":" + std::string(40, '[') + std::string(40, ']') + "}", "SerializationException"},
      {"ListCommands", R"({"MaxResults":0})", "ValidationException"},
      {"ListCommands", R"({"MaxResults":"5"})", "SerializationException"},
      {"ListCommands", R"({"NextToken":"bm90IG91cnM="})", "InvalidNextToken"},
      {"ListCommands", R"({"NextToken":"***"})", "InvalidNextToken"},
      // The same faults, where the operation has no such exception.
      {"DescribeMaintenanceWindows", R"({"NextToken":"***"})", "ValidationException"},
      {"SendCommand", R"({"DocumentName":"AWS-RunShellScript","Parameters":{"commands":["true"]},
                          "Targets":[{"Key":"resource-groups:Name","Values":["x"]}]})",
       "InvalidParameters"},
      {"SendCommand", R"({"DocumentName":"AWS-RunShellScript","Parameters":{"commands":["true"]},
                          "Targets":[{"Key":"tag:role","Values":[]}]})",
       "InvalidParameters"},
      {"ListCommands", "{\"x\":\"" + std::string(1 << 20, 'a') + "\"}", "RequestEntityTooLargeException"},
      {"ListCommands", "", ""},
      {"ListCommands", R"({"MaxResult":5})", "ValidationException"},
  };
  const auto before = audit_entries();
  for (const auto& row : rows) {
    const auto answer = call_text(row.operation, row.body);
    EXPECT_EQ(answer.type, row.type) << row.operation << " " << row.body.substr(0, 80) << ": " << answer.message;
    if (!answer.type.empty()) EXPECT_FALSE(answer.message.empty());
  }
  EXPECT_EQ(audit_entries(), before);
}

TEST_F(DoorTest, TheMethodAndTheTarget) {
  io::HttpRequest request = signed_request("ListCommands", "{}");
  request.headers.set("X-Amz-Target", "AmazonSNS.ListTopics");
  EXPECT_EQ(send(request).type, "UnknownOperationException");
  io::HttpRequest get;
  get.method = "GET";
  get.target = "/api/ListCommands";
  EXPECT_EQ(api_->answer(get).status, 405);
  EXPECT_TRUE(Api::wants(get));
  get.target = "/";
  EXPECT_FALSE(Api::wants(get));
}

TEST_F(DoorTest, AReplayedChangeIsRefusedAndAReadIsNot) {
  const auto read = signed_request("ListCommands", "{}");
  EXPECT_EQ(send(read).status, 200);
  EXPECT_EQ(send(read).status, 200);
  const auto change = signed_request("CreateActivation", R"({"IamRole":"service-role/x"})");
  EXPECT_EQ(send(change).status, 200);
  const auto again = send(change);
  EXPECT_EQ(again.status, 429) << "an honest twin, which the SDKs send once more";
  EXPECT_EQ(again.type, "ThrottlingException");
  clock_.advance(Duration(2'001));
  const auto late = send(change);
  EXPECT_EQ(late.status, 400) << "nobody honest sends it now";
  EXPECT_EQ(late.type, "RequestReplayedException");
  EXPECT_EQ(ok("DescribeActivations").list("ActivationList").size(), 1u);
  clock_.advance(Duration(1'000));
  EXPECT_EQ(send(signed_request("CreateActivation", R"({"IamRole":"service-role/x"})")).status, 200) << "signed anew";
}

TEST_F(DoorTest, TheSameChangeTwiceInASecondIsHonest) {
  const std::string id =
      ok("CreatePatchBaseline", json::Object{{"Name", "base"}, {"OperatingSystem", "DEBIAN"}}).text("BaselineId");
  const auto change = signed_request("RegisterDefaultPatchBaseline", "{\"BaselineId\":\"" + id + "\"}");
  EXPECT_EQ(send(change).status, 200);
  clock_.advance(Duration(900));
  EXPECT_EQ(send(change).status, 200);
  clock_.advance(Duration(2'000));
  EXPECT_EQ(send(change).type, "RequestReplayedException") << "a later arrival would undo what was decided since";
}

TEST_F(DoorTest, EveryRowIsDescribed) {
  for (const auto& row : operation_rows()) {
    const auto* operation = shapes::model().operation(row.name);
    ASSERT_TRUE(operation) << row.name;
    EXPECT_TRUE(operation->input && operation->output) << row.name;
  }
  for (const auto& [name, operation] : shapes::model().operations())
    if (operation.ours) EXPECT_TRUE(find_operation(name)) << name << " is described and not built";
}

// ---- every field over its limit: requests made from the shapes, each with one fault

struct Fault {
  std::string path;
  json::Value request;
};

json::Value sample(const shapes::Shape& shape, int depth);

std::string sample_text(const shapes::Shape& shape) {
  static const char* const candidates[] = {"base",
                                           kNode,
                                           "pb-0123456789abcdef0",
                                           "cs-0123456789abcdef0",
                                           "01234567-89ab-cdef-0123-456789abcdef",
                                           "01234567-89ab-4def-8123-456789abcdef",
                                           "2026-01-01T00:00:00Z",
                                           "2026-01-01",
                                           "1",
                                           "$LATEST",
                                           "Patch Group",
                                           "tag:x",
                                           "MissingCount",
                                           "PatchGroup",
                                           "AWS-RunShellScript",
                                           "ssm:GetDocument",
                                           "https://bucket.s3.amazonaws.com/key"};
  for (const auto* text : candidates) {
    const auto length = static_cast<std::int64_t>(std::string_view(text).size());
    if ((!shape.min || length >= *shape.min) && (!shape.max || length <= *shape.max) &&
        (!shape.pattern || shape.pattern->matches(text)))
      return text;
  }
  return std::string(static_cast<std::size_t>(shape.min.value_or(1)), 'a');
}

json::Value sample(const shapes::Shape& shape, int depth) {
  using shapes::Kind;
  switch (shape.kind) {
    case Kind::structure: {
      json::Object out;
      for (const auto& member : shape.members)
        if (member.required) out[member.name] = sample(*member.shape, depth + 1);
      return out;
    }
    case Kind::list: {
      json::Array out;
      for (std::int64_t i = 0; i < shape.min.value_or(0); ++i) out.push_back(sample(*shape.item, depth + 1));
      return out;
    }
    case Kind::map: return json::Object();
    case Kind::text: return json::Value(sample_text(shape));
    case Kind::enumeration: return json::Value(shape.values.front());
    case Kind::integer:
    case Kind::long_integer: return shape.min.value_or(1);
    case Kind::boolean: return true;
    case Kind::time: return 1'795'435'200;
    case Kind::blob: return json::Value("YQ==");
  }
  return nullptr;
}

// Values that the shape must refuse.
std::vector<json::Value> wrong_values(const shapes::Shape& shape) {
  using shapes::Kind;
  json::Array nested;
  nested.push_back(json::Array());
  std::vector<json::Value> out{json::Value(std::move(nested)), json::Value(1.5)};
  const auto of_length = [](std::int64_t length) {
    return json::Value(std::string(static_cast<std::size_t>(length), 'a'));
  };
  if (shape.kind == Kind::time) out.back() = json::Value(-1);
  if (shape.kind == Kind::text && shape.max && *shape.max <= 100'000) out.push_back(of_length(*shape.max + 1));
  if (shape.kind == Kind::text && shape.min.value_or(0) > 0) out.push_back(of_length(*shape.min - 1));
  if (shape.kind == Kind::text && shape.pattern && !shape.pattern->matches("\x01\x02 \n"))
    out.push_back(json::Value("\x01\x02 \n"));
  if (shape.kind == Kind::text || shape.kind == Kind::enumeration)
    out.push_back(json::Value(std::string_view("a\0b", 3)));
  if (shape.kind == Kind::enumeration) out.push_back(json::Value("NoSuchValue"));
  if ((shape.kind == Kind::integer || shape.kind == Kind::long_integer) && shape.max) out.push_back(*shape.max + 1);
  if ((shape.kind == Kind::integer || shape.kind == Kind::long_integer) && shape.min) out.push_back(*shape.min - 1);
  if (shape.kind == Kind::integer) out.push_back(std::int64_t{1} << 40);
  if (shape.kind == Kind::list && shape.max && *shape.max <= 1'000) {
    json::Array many;
    for (std::int64_t i = 0; i <= *shape.max; ++i) many.push_back(sample(*shape.item, 0));
    out.push_back(std::move(many));
  }
  if (shape.kind == Kind::list) out.push_back(json::Array{json::Value(nullptr)});
  return out;
}

// Whole requests with one wrong value each, wherever a field is.
void collect(const shapes::Shape& shape, const std::string& path, const std::function<json::Value(json::Value)>& wrap,
             int depth, std::vector<Fault>& into) {
  using shapes::Kind;
  for (auto& wrong : wrong_values(shape)) into.push_back({path, wrap(std::move(wrong))});
  if (depth > 8) return;
  if (shape.kind == Kind::structure)
    for (const auto& member : shape.members) {
      const auto inner = [&, name = member.name](json::Value value) {
        json::Value whole = sample(shape, 0);
        whole.as_object()[name] = std::move(value);
        return wrap(std::move(whole));
      };
      collect(*member.shape, path + "." + std::string(member.name), inner, depth + 1, into);
      if (member.required) into.push_back({path + " without " + std::string(member.name), inner(nullptr)});
    }
  if (shape.kind == Kind::list)
    collect(
        *shape.item, path + "[]", [&](json::Value value) { return wrap(json::Array{std::move(value)}); }, depth + 1,
        into);
  if (shape.kind == Kind::map)
    collect(
        *shape.item, path + "{}", [&](json::Value value) { return wrap(json::Object{{"key", std::move(value)}}); },
        depth + 1, into);
}

TEST_F(DoorTest, EveryFieldOverItsLimitIsRefusedAndNothingIsStored) {
  const auto before = audit_entries();
  std::size_t faults = 0;
  for (const auto& row : operation_rows()) {
    std::vector<Fault> all;
    collect(
        *shapes::model().operation(row.name)->input, std::string(row.name), [](json::Value value) { return value; }, 0,
        all);
    for (const auto& fault : all) {
      const auto answer = call(row.name, fault.request);
      ++faults;
      const bool refused = answer.type == "ValidationException" || answer.type == "SerializationException";
      EXPECT_TRUE(refused) << fault.path << ": " << json::to_text(fault.request).substr(0, 300) << " gave "
                           << answer.status << " " << answer.type;
    }
  }
  EXPECT_GT(faults, 1'000u);
  EXPECT_EQ(audit_entries(), before);
}

TEST_F(DoorTest, AFullQueueIsSaidSo) {
  struct Kept final : io::Responder {
    std::shared_ptr<std::atomic<int>> status;
    explicit Kept(std::shared_ptr<std::atomic<int>> kept) : status(std::move(kept)) {}
    void respond(io::HttpResponse response) override { status->store(response.status); }
  };
  std::latch begun(1), go_on(1);
  io::WorkerPool narrow(1, 1);
  Api api(Services{*store_, clock_, *judge_, *commands_, *change_sets_, *nodes_, *windows_, *rollouts_}, narrow);
  ASSERT_TRUE(narrow.submit([&] { begun.count_down(), go_on.wait(); }));  // the one worker is busy
  begun.wait();
  ASSERT_TRUE(narrow.submit([] {}));  // the one place is taken
  const auto status = std::make_shared<std::atomic<int>>(0);
  io::HttpRequest request;
  request.method = "POST";
  request.target = "/api/ListCommands";
  api.handle(std::move(request), std::make_unique<Kept>(status));
  EXPECT_EQ(status->load(), 429);
  go_on.count_down();
}

}  // namespace
}  // namespace belay::server
