#include "server/api/authentication.hpp"

#include <gtest/gtest.h>

#include "base/json.hpp"
#include "io/crypto.hpp"
#include "io/files.hpp"
#include "server/engine/permissions.hpp"

namespace belay::server {
namespace {

struct SignedRow {
  std::string what, target, body, canonical;
  std::vector<std::vector<std::string>> headers;
};
BOOST_DESCRIBE_STRUCT(SignedRow, (), (what, target, body, canonical, headers))
struct Golden {
  std::string access_key_id, secret;
  Instant now{};
  std::vector<SignedRow> rows;
};
BOOST_DESCRIBE_STRUCT(Golden, (), (access_key_id, secret, now, rows))

constexpr Duration kSkew{300'000};

Golden golden() {
  const auto text = io::real_files().read("tests/golden/signed_requests.json", 1 << 20);
  EXPECT_TRUE(text.ok()) << text.error().chain();
  auto rows = json::decode_text<Golden>(*text);
  EXPECT_TRUE(rows.ok()) << rows.error().chain();
  return std::move(*rows);
}

io::HttpRequest request_of(const SignedRow& row) {
  io::HttpRequest request;
  request.method = "POST";
  request.target = row.target;
  request.body = row.body;
  for (const auto& field : row.headers) request.headers.fields.emplace_back(field.at(0), field.at(1));
  return request;
}

std::string type_of(const Status& status) { return status.ok() ? "accepted" : status.error().reason(); }

Status verified(const io::HttpRequest& request, const Golden& with, Instant now) {
  const auto authorization = io::sigv4::parse_authorization(request.headers.get("authorization"));
  if (!authorization.ok()) return authorization.error();
  return verify_signature(request, *authorization, with.secret, now, kSkew);
}

TEST(SigV4, AcceptsWhatBotocoreSigned) {
  const Golden all = golden();
  ASSERT_GE(all.rows.size(), 10u);
  for (const auto& row : all.rows) {
    const auto request = request_of(row);
    const auto authorization = io::sigv4::parse_authorization(request.headers.get("authorization"));
    ASSERT_TRUE(authorization.ok()) << row.what << ": " << authorization.error().chain();
    EXPECT_EQ(authorization->access_key_id, all.access_key_id);
    EXPECT_EQ(io::sigv4::canonical_request(request, authorization->signed_headers, io::sha256_hex(request.body)),
              row.canonical)
        << row.what;
    EXPECT_EQ(type_of(verified(request, all, all.now)), "accepted") << row.what;
  }
}

TEST(SigV4, RefusesWhatWasChanged) {
  const Golden all = golden();
  struct Change {
    const char* what;
    std::function<void(io::HttpRequest&)> change;
    const char* type;
  };
  const auto header = [](const char* name, const char* value) {
    return [=](io::HttpRequest& request) {
      for (auto& [field, content] : request.headers.fields)
        if (std::string_view(field) == name) content = value;
    };
  };
  const Change changes[] = {
      {"the body", [](auto& r) { r.body += " "; }, "InvalidSignatureException"},
      {"the host", header("Host", "other.example.org"), "InvalidSignatureException"},
      {"the operation", header("X-Amz-Target", "AmazonSSM.CreateActivation"), "InvalidSignatureException"},
      {"the path", [](auto& r) { r.target = "/x"; }, "InvalidSignatureException"},
      {"the method", [](auto& r) { r.method = "PUT"; }, "InvalidSignatureException"},
      {"the time within its day", header("X-Amz-Date", "20261123T181201Z"), "InvalidSignatureException"},
      {"another day", header("X-Amz-Date", "20261124T181200Z"), "InvalidSignatureException"},
      {"no time", header("X-Amz-Date", "yesterday"), "IncompleteSignatureException"},
      {"a content hash that is not the body's",
       [](auto& r) { r.headers.set("x-amz-content-sha256", "UNSIGNED-PAYLOAD"); }, "InvalidSignatureException"},
  };
  for (const auto& change : changes) {
    auto request = request_of(all.rows.front());
    change.change(request);
    EXPECT_EQ(type_of(verified(request, all, all.now)), change.type) << change.what;
  }
  Golden other = golden();
  other.secret += "x";
  EXPECT_EQ(type_of(verified(request_of(all.rows.front()), other, all.now)), "InvalidSignatureException");
}

TEST(SigV4, TheTimeMayBeFiveMinutesOff) {
  const Golden all = golden();
  const auto request = request_of(all.rows.front());
  const auto at = [&](int seconds) { return verified(request, all, all.now + Duration(seconds * 1'000)); };
  EXPECT_EQ(type_of(at(299)), "accepted");
  EXPECT_EQ(type_of(at(-299)), "accepted");
  EXPECT_EQ(type_of(at(301)), "InvalidSignatureException");
  EXPECT_EQ(at(301).error().message(),
            "Signature expired: 20261123T181200Z is now earlier than 20261123T181201Z (20261123T181701Z - 5 min.)");
  EXPECT_EQ(
      at(-301).error().message(),
      "Signature not yet current: 20261123T181200Z is still later than 20261123T181159Z (20261123T180659Z + 5 min.)");
}

TEST(SigV4, MalformedHeadersAreNamed) {
  const std::string credential = "Credential=AKID/20261123/r/ssm/aws4_request",
                    names = "SignedHeaders=host;x-amz-date;x-amz-target";
  const std::string signature = "Signature=" + std::string(64, 'a');
  const auto parse = [](const std::string& rest) {
    return io::sigv4::parse_authorization("AWS4-HMAC-SHA256 " + rest).ok();
  };
  EXPECT_TRUE(parse(credential + ", " + names + ", " + signature));
  EXPECT_TRUE(parse(signature + "," + names + "," + credential));
  const std::string bad[] = {"",
                             credential,
                             credential + ", " + names,
                             credential + ", " + signature,
                             "Credential=AKID/20261123/r/ssm, " + names + ", " + signature,
                             "Credential=AKID//r/ssm/aws4_request, " + names + ", " + signature,
                             credential + ", SignedHeaders=host;Host, " + signature,
                             credential + ", SignedHeaders=x-amz-date;host, " + signature,
                             credential + ", " + names + ", Signature=xyz",
                             credential + ", " + names + ", Signature=" + std::string(64, 'A'),
                             credential + ", " + credential + ", " + names + ", " + signature,
                             credential + ", " + names + ", " + signature + std::string(5'000, ' ')};
  for (const auto& text : bad) EXPECT_FALSE(parse(text)) << text.substr(0, 200);
  EXPECT_FALSE(io::sigv4::parse_authorization("Bearer abc").ok());
}

TEST(SigV4, HostTimeAndTargetMustBeSigned) {
  const Golden all = golden();
  const auto request = request_of(all.rows.front());
  for (const std::string_view missing : {"host", "x-amz-date", "x-amz-target"}) {
    auto authorization = *io::sigv4::parse_authorization(request.headers.get("authorization"));
    std::erase(authorization.signed_headers, missing);
    const auto status = verify_signature(request, authorization, all.secret, all.now, kSkew);
    EXPECT_EQ(type_of(status), "InvalidSignatureException");
    EXPECT_NE(status.error().message().find(missing), std::string::npos) << status.error().message();
  }
}

TEST(Permissions, ReadLikeIamActions) {
  const std::vector<std::string> some = {"ssm:Describe*", "belay:GetNode", "ssm:List?ommands"};
  EXPECT_TRUE(is_allowed(some, "ssm:DescribePatchBaselines"));
  EXPECT_TRUE(is_allowed(some, "SSM:describeactivations"));
  EXPECT_TRUE(is_allowed(some, "belay:GetNode"));
  EXPECT_TRUE(is_allowed(some, "ssm:ListCommands"));
  EXPECT_FALSE(is_allowed(some, "belay:GetNodeEvidence"));
  EXPECT_FALSE(is_allowed(some, "ssm:CreateActivation"));
  EXPECT_FALSE(is_allowed({}, "ssm:CreateActivation"));
  EXPECT_TRUE(is_allowed({"*"}, "ssm:CreateActivation"));
  EXPECT_FALSE(is_allowed({"[a-z]*"}, "ssm:CreateActivation"));
}

}  // namespace
}  // namespace belay::server
