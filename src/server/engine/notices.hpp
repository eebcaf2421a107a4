#pragma once
// Who is told of something, as one list of words, and the way there: webhooks (webhooks.hpp) and mail (mail.hpp), each
// tried once. Nothing waits for a notice.
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "store/executions.hpp"

namespace belay::server {

struct Recipients {
  std::vector<std::string> webhooks, mails;
};

// Says in the store whether this server has a program that sends mail. Of several servers that differ the one that
// started last speaks. May be repeated.
Status note_sends_mail(store::Sql& sql, bool sends, Instant now);

// Each word is an https:// address without user and password, or a plain mail address. invalid_argument that names
// `field` and the word; so, too, where one is mail and no server has said that it sends any.
Result<Recipients> recipients_of(store::Sql& sql, const std::vector<std::string>& words, std::string_view field);

struct Notice {
  std::string key;        // unlike that of any other notice of the execution at that second
  json::Object document;  // what a webhook gets, and what lies beside a mail
  std::string subject, text;
};
// Within the transaction of what it tells of.
Status queue_notice(store::Sql& sql, std::string_view kind, const std::string& execution_id,
                    const Recipients& recipients, const Notice& notice, Instant now);

// Whether the event says what became of a notice; one that failed is logged. The execution passes it over.
bool take_notice_answer(const store::executions::Event& posted);

}  // namespace belay::server
