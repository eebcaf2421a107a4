#pragma once
// The text of HTTP heads: what we write, and small questions about what we read. Only for io's own sources.
#include <string>
#include <string_view>

#include "io/http.hpp"

namespace belay::io {

std::string_view reason_phrase(int status);

// "Connection: keep-alive, Upgrade" has the token "upgrade".
bool has_token(std::string_view list, std::string_view token);

// Head of a response; Content-Length and Connection are ours, the caller's are passed over, and no header value can
// break out of its line.
std::string response_head(const HttpResponse& response, bool keep_alive, std::string_view date);
// Head of a request; Host, Content-Length and Connection are ours.
std::string request_head(const HttpRequest& request, const Url& url);

// "Sun, 06 Nov 1994 08:49:37 GMT"
std::string http_date(Instant instant);

bool is_websocket_upgrade(const HttpRequest& request);
// The answer to Sec-WebSocket-Key (RFC 6455 §4.2.2).
std::string websocket_accept(std::string_view key);

}  // namespace belay::io
