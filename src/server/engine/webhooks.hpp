#pragma once
// An HTTPS POST that a step of an automation (aws:invokeWebhook, belay:invokeWebhook) or a rollout wants.
#include <boost/describe.hpp>
#include <cstdint>
#include <functional>
#include <string>

#include "io/http.hpp"
#include "server/engine/effect_courier.hpp"

namespace belay::server {

inline constexpr std::string_view kWebhookEffect = "webhook";
inline constexpr std::string_view kWebhookPermission = "belay:InvokeWebhook";  // it is this server that connects

struct Webhook {
  std::string step;
  std::uint32_t attempt = 0;
  std::string url, body;
};
BOOST_DESCRIBE_STRUCT(Webhook, (), (step, attempt, url, body))

// The execution is told what came of it by an event whose key begins with kWebhookEventKey.
Status queue_webhook(store::Sql& sql, std::string_view kind, const std::string& execution_id, const Webhook& webhook,
                     Instant now);
inline constexpr std::string_view kWebhookEventKey = "webhook ";

using PostJson = std::function<Result<io::HttpResponse>(const std::string& url, const std::string& body)>;
// Over TLS to a server that the host's own authorities vouch for, within 30 s; redirects are not followed. Public
// addresses only, but for the hosts named here (override_documents.hpp says why).
PostJson post_over_tls(std::vector<std::string> private_hosts);

// 2xx is a success; everything else is a failure of the step's attempt, with what came back.
EffectCourier::Carry make_webhook_carrier(PostJson post);

}  // namespace belay::server
