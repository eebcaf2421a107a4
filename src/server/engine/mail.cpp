#include "server/engine/mail.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"

namespace belay::server {
namespace {
namespace executions = store::executions;

constexpr Duration kProgramMax{30'000};  // shorter than the courier's lease
constexpr std::uint32_t kClaimsMax = 5;  // as often a server may die over it
constexpr std::size_t kLineBytes = 76, kSubjectBytesMax = 300;
constexpr std::size_t kWordBytesMax = 42;  // of text in one encoded word, which may be 75 characters long

std::string lines_of(const std::string& bytes) {
  const auto text = to_base64(bytes);
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += kLineBytes) out += text.substr(at, kLineBytes) + "\n";
  return out;
}

// RFC 2047: words of whole characters. Also plain text is sent so: there is one way, and nothing to escape.
std::string encoded(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    auto end = std::min(text.size(), at + kWordBytesMax);
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
    out += (out.empty() ? "" : "\n ") + ("=?UTF-8?B?" + to_base64(text.substr(at, end - at))) + "?=";
    at = end;
  }
  return out;
}

std::string part(const std::string& boundary, const std::string& type, const std::string& content) {
  return "--" + boundary + "\nContent-Type: " + type + "\nContent-Transfer-Encoding: base64\n\n" + lines_of(content);
}

Status send(io::Processes& processes, const std::string& program, const Mail& mail) {
  io::ProcessSpec spec;
  spec.argv = {program, "-t", "-i"};
  spec.environment = io::plain_environment();
  spec.standard_input = mail_message(mail);
  spec.timeout = kProgramMax;
  BELAY_TRY_ASSIGN(const auto outcome, processes.run(spec).within(program));
  if (outcome.success()) return {};
  const auto said = sanitize(std::string(trim(outcome.standard_error)), 500);
  return Error(Code::unavailable, program + " did not take the mail" +
                                      (outcome.end == io::ProcessOutcome::End::exited
                                           ? " (status " + std::to_string(outcome.exit_status) + ")"
                                           : " in time") +
                                      (said.empty() ? "" : ": " + said));
}

}  // namespace

Status queue_mail(store::Sql& sql, std::string_view kind, const std::string& execution_id, const Mail& mail,
                  Instant now) {
  executions::Effect effect;
  effect.kind = kind;
  effect.execution_id = execution_id;
  effect.effect = kMailEffect;
  effect.body = json::encode_text(mail);
  effect.due_at = now;
  return executions::add_effects(sql, std::span(&effect, 1));
}

std::string mail_message(const Mail& mail) {
  const auto boundary = "belay-" + io::sha256_hex(mail.text + mail.document).substr(0, 32);  // no line of base64
  std::string out = "To: " + join(mail.to, ",\n ") + "\nSubject: " + encoded(sanitize(mail.subject, kSubjectBytesMax)) +
                    "\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"" +
                    boundary + "\"\n\n";
  out += part(boundary, "text/plain; charset=utf-8", mail.text);
  if (!mail.document.empty())
    out += part(boundary, "application/json\nContent-Disposition: attachment; filename=\"report.json\"", mail.document);
  return out + "--" + boundary + "--\n";
}

EffectCourier::Carry make_mail_carrier(io::Processes& processes, std::string program) {
  return [&processes, program = std::move(program)](const executions::Effect& effect, Instant now) {
    const auto mail = json::decode_text<Mail>(effect.body, {.bytes_max = 2u << 20});
    Status sent = mail.ok() ? Status() : Status(mail.error());
    if (sent.ok() && effect.attempts > kClaimsMax)
      sent = Error(Code::unavailable, "servers ended " + std::to_string(kClaimsMax) + " times while they did it");
    if (sent.ok()) sent = send(processes, program, *mail);
    if (!sent.ok()) log::warning("mail-not-sent", {{"execution", effect.execution_id}, {"why", sent.error()}});
    executions::Event told;
    told.at = now;
    told.key = std::string(kMailEventKey) + std::to_string(effect.sequence);
    told.body = json::to_text(json::Object{{"why", sent.ok() ? "" : sanitize(sent.error().chain(), 1'000)}});
    return told;
  };
}

}  // namespace belay::server
