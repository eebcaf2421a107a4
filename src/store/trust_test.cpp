// Who may do what, and what was done.
#include <thread>

#include "store/audit.hpp"
#include "store/fixture_test.hpp"
#include "store/idempotency.hpp"
#include "store/principals.hpp"
#include "store/settings.hpp"

namespace belay::store {
namespace {

class TrustTest : public StoreTest {
 protected:
  Status append(const std::string& resource, const std::string& detail = "{}") {
    return write([&](Sql& sql) {
      return audit::append(
          sql,
          {.at = at_s(1), .actor = "admin", .action = "ssm:AddTagsToResource", .resource = resource, .detail = detail});
    });
  }
  audit::Verification verify(std::int64_t from = 1, std::int64_t to = 0, std::int64_t most = 100'000) {
    auto found = read([&](Sql& sql) { return audit::verify(sql, from, to, most); });
    EXPECT_OK(found);
    return *found;
  }
};
BELAY_ON_EVERY_STORE(TrustTest);

TEST_P(TrustTest, TheAuditLogIsAChain) {
  EXPECT_EQ(verify().broken_at, std::nullopt) << "an empty log is whole";
  for (int i = 1; i <= 5; ++i) ASSERT_OK(append("r" + std::to_string(i), "{\"b\":2,\"a\":\"ä\"}"));
  const auto whole = verify();
  EXPECT_EQ(whole.broken_at, std::nullopt) << whole.why;
  EXPECT_EQ(whole.checked, 5);
  EXPECT_EQ(whole.last_hash, read([](Sql& sql) { return audit::head(sql); })->hash);
  EXPECT_EQ(verify(3, 4).checked, 2);
  EXPECT_EQ(verify(1, 0, 2).last_sequence, 2);
  const auto listed =
      read([](Sql& sql) { return audit::list(sql, {.actor = {}, .action = {}, .resource = "r2"}, {}); });
  ASSERT_OK(listed);
  EXPECT_EQ(listed->items.at(0).detail, "{\"a\":\"ä\",\"b\":2}");
  EXPECT_EQ(read([](Sql& sql) { return audit::list(sql, {}, {.limit = 1, .after = {}}); })->items.at(0).sequence, 5);
  EXPECT_CODE(Code::invalid_argument, append("r", "{not json"));
  EXPECT_CODE(Code::resource_exhausted, append("r", "\"" + std::string(70'000, 'x') + "\""));
}

struct Tampering {
  const char* statement;
  std::int64_t broken_at;
  const char* why;
};

TEST_P(TrustTest, EveryTamperingIsSeen) {
  const Tampering rows[] = {
      {"UPDATE audit SET resource = 'other' WHERE sequence = 2", 2, "was changed"},
      {"UPDATE audit SET at = at + 1 WHERE sequence = 3", 3, "was changed"},
      {"UPDATE audit SET hash = previous_hash WHERE sequence = 3", 3, "was changed"},
      {"DELETE FROM audit WHERE sequence = 2", 2, "is missing"},
      {"DELETE FROM audit WHERE sequence = 1", 1, "is missing"},
      {"DELETE FROM audit WHERE sequence = 4", 4, "the newest entries are gone"},
      {"UPDATE audit SET previous_hash = hash WHERE sequence = 2", 2, "does not follow"},
      {"UPDATE audit_head SET sequence = 3", 4, "not the newest"},
  };
  for (int i = 1; i <= 4; ++i) ASSERT_OK(append("r"));
  for (const auto& row : rows) {
    const auto undone = write([&](Sql& sql) -> Status {
      BELAY_TRY(sql.exec(row.statement));
      const auto found = audit::verify(sql);
      EXPECT_OK(found);
      EXPECT_EQ(found->broken_at, row.broken_at) << row.statement;
      EXPECT_NE(found->why.find(row.why), std::string::npos) << row.statement << ": " << found->why;
      return Error(Code::cancelled, "put back");
    });
    EXPECT_CODE(Code::cancelled, undone);
  }
  EXPECT_EQ(verify().broken_at, std::nullopt);
}

TEST_P(TrustTest, TheChainHoldsUnderManyWriters) {
  const auto other = open_another();
  ASSERT_TRUE(other);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10; ++i)
        EXPECT_OK((t % 2 ? *other : store()).write([&](Sql& sql) {
          return audit::append(sql, {.at = at_s(i), .actor = "t" + std::to_string(t), .action = "x", .resource = {}});
        }));
    });
  for (auto& thread : threads) thread.join();
  const auto whole = verify();
  EXPECT_EQ(whole.broken_at, std::nullopt) << whole.why;
  EXPECT_EQ(whole.checked, 40);
}

TEST_P(TrustTest, NothingIsAuditedThatWasNotDone) {
  EXPECT_CODE(Code::conflict, write([](Sql& sql) -> Status {
                BELAY_TRY(audit::append(sql, {.at = at_s(1), .actor = "a", .action = "b", .resource = "c"}));
                return Error(Code::conflict, "no");
              }));
  EXPECT_EQ(read([](Sql& sql) { return audit::head(sql); })->sequence, 0);
}

TEST_P(TrustTest, Settings) {
  EXPECT_EQ(*read([](Sql& sql) { return settings::get(sql, "a.x"); }), std::nullopt);
  ASSERT_OK(write([](Sql& sql) { return settings::set(sql, "a.x", "1", at_s(1)); }));
  ASSERT_OK(write([](Sql& sql) { return settings::set(sql, "a.x", "2", at_s(1)); }));
  EXPECT_EQ(*write([](Sql& sql) { return settings::set_if_absent(sql, "a.x", "3", at_s(1)); }), "2");
  EXPECT_EQ(*write([](Sql& sql) { return settings::set_if_absent(sql, "a.y", "4", at_s(1)); }), "4");
  ASSERT_OK(write([](Sql& sql) { return settings::set(sql, "b", "5", at_s(1)); }));
  EXPECT_EQ(read([](Sql& sql) { return settings::with_prefix(sql, "a."); })->size(), 2u);
  ASSERT_OK(write([](Sql& sql) { return settings::remove(sql, "a.x"); }));
  EXPECT_EQ(*read([](Sql& sql) { return settings::get(sql, "a.x"); }), std::nullopt);
}

TEST_P(TrustTest, PrincipalsTheirKeysAndTokens) {
  const std::string token = "a-token-of-thirty-two-characters";
  ASSERT_OK(write([&](Sql& sql) -> Status {
    BELAY_TRY(principals::create(sql, {.name = "admin", .permissions = {"*"}, .enabled = true, .created_at = at_s(0)}));
    BELAY_TRY(principals::add_access_key(sql, {.access_key_id = "AKIA0123456789ABCDEF",
                                               .principal = "admin",
                                               .enabled = true,
                                               .created_at = at_s(0),
                                               .secret = "secret"}));
    BELAY_TRY(principals::add_bearer(sql,
                                     {.kind = principals::BearerKind::token,
                                      .principal = "admin",
                                      .name = "laptop",
                                      .created_at = at_s(0),
                                      .expires_at = {}},
                                     token));
    return principals::add_bearer(sql,
                                  {.kind = principals::BearerKind::session,
                                   .principal = "admin",
                                   .name = "",
                                   .created_at = at_s(0),
                                   .expires_at = at_s(60)},
                                  token + "s");
  }));
  const auto caller = read([](Sql& sql) { return principals::by_access_key(sql, "AKIA0123456789ABCDEF"); });
  ASSERT_OK(caller);
  EXPECT_EQ(caller->secret, "secret");
  EXPECT_EQ(caller->principal.permissions, std::vector<std::string>{"*"});
  EXPECT_EQ(read([](Sql& sql) { return principals::access_keys(sql, "admin"); })->at(0).secret, "");
  const auto bearer = [&](principals::BearerKind kind, const std::string& secret, std::int64_t when) {
    return read([&](Sql& sql) { return principals::by_bearer(sql, kind, secret, at_s(when)); });
  };
  EXPECT_EQ(bearer(principals::BearerKind::token, token, 1)->credential, "laptop");
  EXPECT_EQ(bearer(principals::BearerKind::session, token + "s", 59)->principal.name, "admin");
  EXPECT_REASON("token-expired", bearer(principals::BearerKind::session, token + "s", 60));
  EXPECT_REASON("token-unknown", bearer(principals::BearerKind::session, token, 1));
  EXPECT_CODE(Code::already_exists, write([&](Sql& sql) {
                return principals::add_bearer(sql,
                                              {.kind = principals::BearerKind::token,
                                               .principal = "admin",
                                               .name = "laptop",
                                               .created_at = at_s(0),
                                               .expires_at = {}},
                                              token + "2");
              }));
  EXPECT_EQ(*write([](Sql& sql) { return principals::forget_expired(sql, at_s(60)); }), 1);
  EXPECT_EQ(read([](Sql& sql) { return principals::bearers(sql, "admin"); })->size(), 1u);
  ASSERT_OK(write([](Sql& sql) {
    return principals::update(sql, {.name = "admin", .permissions = {}, .enabled = false, .created_at = {}});
  }));
  EXPECT_REASON("access-key-unknown",
                read([](Sql& sql) { return principals::by_access_key(sql, "AKIA0123456789ABCDEF"); }));
  EXPECT_REASON("token-unknown", bearer(principals::BearerKind::token, token, 1));
  EXPECT_EQ(read([](Sql& sql) { return principals::list(sql, {}); })->items.size(), 1u);
  ASSERT_OK(write([](Sql& sql) { return principals::remove(sql, "admin"); }));
  EXPECT_CODE(Code::not_found, read([](Sql& sql) { return principals::get(sql, "admin"); }));
  EXPECT_REASON("reference-missing", write([&](Sql& sql) {
                  return principals::add_bearer(sql,
                                                {.kind = principals::BearerKind::token,
                                                 .principal = "nobody",
                                                 .name = "",
                                                 .created_at = at_s(0),
                                                 .expires_at = {}},
                                                token);
                }));
}

TEST_P(TrustTest, SecretsAreNotInTheFile) {
  ASSERT_OK(write([&](Sql& sql) -> Status {
    BELAY_TRY(principals::create(sql, {.name = "p", .permissions = {}, .enabled = true, .created_at = at_s(0)}));
    return principals::add_access_key(sql, {.access_key_id = "AKIA0123456789ABCDEF",
                                            .principal = "p",
                                            .enabled = true,
                                            .created_at = at_s(0),
                                            .secret = "in-clear-text"});
  }));
  const auto row = read([](Sql& sql) { return sql.query_one("SELECT sealed_secret FROM access_keys"); });
  ASSERT_OK(row);
  EXPECT_EQ((*row)->blob(0).find("clear"), std::string::npos);
}

TEST_P(TrustTest, AClientTokenAnswersOnce) {
  const idempotency::Key key{"admin", "CreatePatchBaseline", "token"};
  const auto recall = [&](const char* hash, std::int64_t when) {
    return write([&](Sql& sql) { return idempotency::recall(sql, key, hash, at_s(when)); });
  };
  EXPECT_EQ(*recall("h1", 0), std::nullopt);
  ASSERT_OK(
      write([&](Sql& sql) { return idempotency::remember(sql, key, "h1", "answer", at_s(0), Duration(10'000)); }));
  EXPECT_EQ(*recall("h1", 5), "answer");
  EXPECT_REASON("idempotent-parameter-mismatch", recall("h2", 5));
  EXPECT_EQ(*recall("h2", 10), std::nullopt);
  EXPECT_EQ(*write([](Sql& sql) { return idempotency::forget_expired(sql, at_s(10), 10); }), 1);
}

}  // namespace
}  // namespace belay::store
