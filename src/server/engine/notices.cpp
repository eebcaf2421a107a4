#include "server/engine/notices.hpp"

#include "base/log.hpp"
#include "base/text.hpp"
#include "core/document/place.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/webhooks.hpp"
#include "store/settings.hpp"

namespace belay::server {
namespace {

constexpr std::string_view kStep = "notice ";  // no step of a runbook has a blank in its name
constexpr std::string_view kSetting = "notices.mail";
constexpr std::size_t kAddressBytesMax = 2'000;

bool is_webhook(std::string_view word) {
  if (!word.starts_with("https://") || word.size() > kAddressBytesMax) return false;
  const auto authority = word.substr(8, word.find_first_of("/?#", 8) - 8);
  return !authority.empty() && authority.find('@') == std::string_view::npos;
}

}  // namespace

Status note_sends_mail(store::Sql& sql, bool sends, Instant now) {
  return store::settings::set(sql, kSetting, sends ? "yes" : "no", now);
}

Result<Recipients> recipients_of(store::Sql& sql, const std::vector<std::string>& words, std::string_view field) {
  Recipients recipients;
  for (const auto& word : words) {
    if (is_webhook(word)) {
      recipients.webhooks.push_back(word);
      continue;
    }
    if (!document::is_mail_address(word))
      return Error(Code::invalid_argument, std::string(field) + ": '" + sanitize(word, 100) +
                                               "' is neither an https:// address nor a plain mail address (name@host)");
    BELAY_TRY_ASSIGN(const auto sends, store::settings::get(sql, kSetting));
    if (sends != "yes")
      return Error(Code::invalid_argument, std::string(field) + ": mail to " + sanitize(word, 100) +
                                               " is wanted, and this server sends none; name its program (belayd "
                                               "--sendmail)");
    recipients.mails.push_back(word);
  }
  return recipients;
}

Status queue_notice(store::Sql& sql, std::string_view kind, const std::string& execution_id,
                    const Recipients& recipients, const Notice& notice, Instant now) {
  const auto text = json::to_text(notice.document);
  const auto number = static_cast<std::uint32_t>(now.time_since_epoch().count() / 1'000);
  for (std::size_t i = 0; i < recipients.webhooks.size(); ++i)
    BELAY_TRY(queue_webhook(
        sql, kind, execution_id,
        {std::string(kStep) + notice.key + " " + std::to_string(i), number, recipients.webhooks[i], text}, now));
  if (recipients.mails.empty()) return {};
  return queue_mail(sql, kind, execution_id, {recipients.mails, sanitize(notice.subject, 300), notice.text, text}, now);
}

bool take_notice_answer(const store::executions::Event& posted) {
  if (posted.key.starts_with(kMailEventKey)) return true;  // its carrier has logged it
  if (!posted.key.starts_with(std::string(kWebhookEventKey) + std::string(kStep))) return false;
  const auto answer = json::parse(posted.body);
  if (answer.ok() && json::text_or_empty(*answer, "kind") == "failed")
    log::warning("notice-not-sent", {{"notice", posted.key}, {"why", json::text_or_empty(*answer, "why")}});
  return true;
}

}  // namespace belay::server
