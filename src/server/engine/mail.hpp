#pragma once
// Mail to people, by the host's own sendmail program: Belay speaks no SMTP. What is sent is a short text with a JSON
// document beside it.
#include <boost/describe.hpp>
#include <string>
#include <vector>

#include "io/process.hpp"
#include "server/engine/effect_courier.hpp"

namespace belay::server {

inline constexpr std::string_view kMailEffect = "mail";
inline constexpr std::string_view kMailEventKey = "mail ";  // begins the key of the event that says what came of it

struct Mail {
  std::vector<std::string> to;  // plain addresses, checked when they were read
  std::string subject, text;
  std::string document;  // JSON; "" for none
};
BOOST_DESCRIBE_STRUCT(Mail, (), (to, subject, text, document))

Status queue_mail(store::Sql& sql, std::string_view kind, const std::string& execution_id, const Mail& mail,
                  Instant now);

// As it is given to `sendmail -t`: headers, then both parts in base64. No text of it can become a header.
std::string mail_message(const Mail& mail);

// `program` is an absolute path, called as `PROGRAM -t -i` without a shell. What it says where it fails is logged.
EffectCourier::Carry make_mail_carrier(io::Processes& processes, std::string program);

}  // namespace belay::server
