#include "server/engine/mail.hpp"

#include <gmock/gmock.h>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "tests/fakes/scripted_processes.hpp"

namespace belay::server {
namespace {
using testing::HasSubstr;

store::executions::Effect effect_of(const Mail& mail, std::uint32_t attempts = 1) {
  store::executions::Effect effect;
  effect.sequence = 7;
  effect.execution_id = "ro-1";
  effect.effect = kMailEffect;
  effect.body = json::encode_text(mail);
  effect.attempts = attempts;
  return effect;
}

TEST(Mail, IsHeadersAndTwoParts) {
  const Mail mail{{"a@example.org", "b@example.org"}, "Belay: x is Halted", "look\n.\nat it", R"({"State":"Halted"})"};
  const auto text = mail_message(mail);
  EXPECT_THAT(text, HasSubstr("To: a@example.org,\n b@example.org\n"));
  EXPECT_THAT(text, HasSubstr("Auto-Submitted: auto-generated\n"));
  EXPECT_THAT(text, HasSubstr("\n\n" + to_base64(mail.text) + "\n"));
  EXPECT_THAT(text, HasSubstr("\n\n" + to_base64(mail.document) + "\n"));
  for (const auto line : split(text, '\n')) EXPECT_LE(line.size(), 100u) << line;
}

TEST(Mail, NoTextOfItBecomesAHeader) {
  const auto text = mail_message({{"a@b"}, "x\nBcc: evil@example.org", "y\nBcc: evil@example.org", ""});
  EXPECT_EQ(text.find("Bcc"), std::string::npos);
  // A long subject of two-byte letters is cut between them.
  std::string umlauts;
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  const auto subject = mail_message({{"a@b"}, umlauts, "", ""});
  std::string read;
  for (const auto line : split(subject, '\n')) {
    const auto at = line.find("=?UTF-8?B?");
    if (at == std::string_view::npos) continue;
    EXPECT_LE(line.size() - at, 75u);
    const auto word = from_base64(std::string(line.substr(at + 10, line.size() - at - 12)));
    ASSERT_TRUE(word.ok());
    EXPECT_TRUE(is_valid_utf8(*word));
    read += *word;
  }
  EXPECT_EQ(read, umlauts);
}

TEST(Mail, GoesToTheProgramAndItsFailureIsTold) {
  fakes::ScriptedProcesses processes;
  processes.on("/usr/sbin/sendmail -t -i", fakes::prints(""));
  const auto carry = make_mail_carrier(processes, "/usr/sbin/sendmail");
  const Mail mail{{"a@b"}, "s", "t", "{}"};
  const auto sent = carry(effect_of(mail), Instant{});
  EXPECT_EQ(sent.key, "mail 7");
  EXPECT_EQ(sent.body, R"({"why":""})");
  ASSERT_EQ(processes.calls().size(), 1u);
  EXPECT_EQ(processes.calls()[0].standard_input, mail_message(mail));
  processes.on("/usr/sbin/sendmail *", fakes::fails(75, "queue is full"));
  EXPECT_THAT(carry(effect_of(mail), Instant{}).body, HasSubstr("(status 75): queue is full"));
  EXPECT_THAT(carry(effect_of(mail, 6), Instant{}).body, HasSubstr("servers ended 5 times"));
  processes.on("/usr/sbin/sendmail *", fakes::is_missing());
  EXPECT_THAT(carry(effect_of(mail), Instant{}).body, HasSubstr("/usr/sbin/sendmail"));
}

}  // namespace
}  // namespace belay::server
