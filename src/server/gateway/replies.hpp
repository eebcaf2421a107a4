#pragma once
// What the gateway answers over HTTP.
#include <string>
#include <string_view>

#include "base/error_table.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "io/http.hpp"

namespace belay::server {

inline io::HttpResponse json_response(int status, std::string body) {
  io::HttpResponse response;
  response.status = status;
  response.headers.set("Content-Type", "application/json");
  response.body = std::move(body);
  return response;
}

inline io::HttpResponse error_response(const Error& error) {
  const bool ours = error.code() == Code::internal;
  if (ours) log::error("gateway-request-failed", {{"error", error}});
  json::Object body{{"code", name(error.code())},
                    {"reason", error.reason()},
                    {"message", ours ? "internal error; see the server's log" : error.chain()}};
  return json_response(meaning(error.code()).http_status, json::to_text(body));
}

template <typename T>
io::HttpResponse answer(const Result<T>& result) {
  return result.ok() ? json_response(200, json::encode_text(*result)) : error_response(result.error());
}

inline io::HttpResponse come_back_later(std::string_view why) {
  auto response = json_response(503, json::to_text(json::Object{{"code", "unavailable"}, {"message", why}}));
  const auto spread = static_cast<unsigned char>(io::random_bytes(1).front());
  response.headers.set("Retry-After", std::to_string(2 + spread % 14));
  return response;
}

}  // namespace belay::server
