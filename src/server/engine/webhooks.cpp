#include "server/engine/webhooks.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "core/automation/machine.hpp"
#include "server/engine/automations.hpp"

namespace belay::server {
namespace {
using automation::EventKind;
namespace executions = store::executions;

constexpr Duration kExchangeMax{30'000};
constexpr std::size_t kReplyBytesMax = 256u << 10;
constexpr std::uint32_t kClaimsMax = 5;  // as often a server may die over it

automation::Event event_of(const Result<io::HttpResponse>& reply) {
  automation::Event event;
  if (!reply.ok()) {
    event.kind = EventKind::failed;
    event.why = sanitize(reply.error().chain(), 1'000);
    return event;
  }
  event.kind = reply->status >= 200 && reply->status <= 299 ? EventKind::succeeded : EventKind::failed;
  if (event.kind == EventKind::failed) event.why = "the address answers with status " + std::to_string(reply->status);
  event.outputs["Response"] = sanitize(reply->body, automation::kOutputTextMax);
  event.outputs["ResponseCode"] = reply->status;
  return event;
}

Result<io::HttpResponse> post_json(const std::string& url, const std::string& body,
                                   const std::vector<std::string>& private_hosts) {
  if (!url.starts_with("https://")) return Error(Code::unsupported, "the address is no https:// address");
  io::HttpClientOptions options;
  options.tls.system_ca = true;
  options.timeout = kExchangeMax;
  options.body_bytes_max = kReplyBytesMax;
  BELAY_TRY_ASSIGN(const auto parts, io::parse_url(url));
  options.public_only = std::ranges::find(private_hosts, parts.host) == private_hosts.end();
  BELAY_TRY_ASSIGN(auto client, io::make_http_client(url, options));
  io::HttpRequest request;
  request.method = "POST";
  request.target = parts.target;
  request.headers.set("Content-Type", "application/json");
  request.headers.set("User-Agent", "belay");
  request.body = body;
  return client->send(request).within("cannot reach " + sanitize(parts.host, 200));
}

}  // namespace

Status queue_webhook(store::Sql& sql, std::string_view kind, const std::string& execution_id, const Webhook& webhook,
                     Instant now) {
  executions::Effect effect;
  effect.kind = kind;
  effect.execution_id = execution_id;
  effect.effect = kWebhookEffect;
  effect.body = json::encode_text(webhook);
  effect.due_at = now;
  return executions::add_effects(sql, std::span(&effect, 1));
}

PostJson post_over_tls(std::vector<std::string> private_hosts) {
  return [hosts = std::move(private_hosts)](const std::string& url, const std::string& body) {
    return post_json(url, body, hosts);
  };
}

EffectCourier::Carry make_webhook_carrier(PostJson post) {
  return [post = std::move(post)](const executions::Effect& effect, Instant now) {
    executions::Event told;
    told.at = now;
    automation::Event event;
    const auto webhook = json::decode_text<Webhook>(effect.body, {.bytes_max = 1u << 20});
    if (!webhook.ok()) {
      event.kind = EventKind::failed;
      event.why = webhook.error().chain();
    } else if (effect.attempts > kClaimsMax) {
      event.kind = EventKind::failed;
      event.why =
          "servers ended " + std::to_string(kClaimsMax) + " times while they did it; whether it arrived is not known";
    } else {
      event = event_of(post(webhook->url, webhook->body));
    }
    if (webhook.ok()) {
      event.step = webhook->step;
      event.attempt = webhook->attempt;
    }
    told.key = std::string(kWebhookEventKey) + event.step + " " + std::to_string(event.attempt);
    told.body = json::encode_text(event);
    return told;
  };
}

}  // namespace belay::server
