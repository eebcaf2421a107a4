#include "io/http_text.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <array>

#include "base/bytes.hpp"
#include "base/text.hpp"

namespace belay::io {
namespace {

struct Phrase {
  int status;
  std::string_view words;
};
constexpr Phrase kPhrases[] = {
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

bool is_ours(std::string_view name) {
  for (const auto ours : {"content-length", "transfer-encoding", "connection", "date"})
    if (equal_ignoring_case(name, ours)) return true;
  return false;
}

bool is_token(std::string_view name) {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !name.empty() && std::all_of(name.begin(), name.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           others.find(c) != std::string_view::npos;
  });
}

// A name that is no token is a bug of ours; a value may carry somebody's text, so its line breaks become blanks.
void append_field(std::string& head, std::string_view name, std::string_view value) {
  BELAY_ASSERT(is_token(name));
  head.append(name).append(": ");
  for (const char c : value) head += (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f ? ' ' : c;
  head += "\r\n";
}

std::string two_digits(unsigned number) {
  return {static_cast<char>('0' + number / 10), static_cast<char>('0' + number % 10)};
}

bool wants_length(const HttpRequest& request) {
  return !request.body.empty() || request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
}

}  // namespace

std::string_view reason_phrase(int status) {
  for (const auto& row : kPhrases)
    if (row.status == status) return row.words;
  return "Unknown";
}

bool has_token(std::string_view list, std::string_view token) {
  for (const auto part : split(list, ','))
    if (equal_ignoring_case(trim(part), token)) return true;
  return false;
}

std::string_view HttpHeaders::get(std::string_view name) const {
  for (const auto& [field, value] : fields)
    if (equal_ignoring_case(field, name)) return value;
  return {};
}

void HttpHeaders::set(std::string name, std::string value) {
  std::erase_if(fields, [&](const auto& field) { return equal_ignoring_case(field.first, name); });
  fields.emplace_back(std::move(name), std::move(value));
}

std::string_view HttpRequest::path() const { return std::string_view(target).substr(0, target.find('?')); }

std::string response_head(const HttpResponse& response, bool keep_alive, std::string_view date) {
  std::string head;
  head.reserve(256);
  head.append("HTTP/1.1 ")
      .append(std::to_string(response.status))
      .append(" ")
      .append(reason_phrase(response.status))
      .append("\r\n");
  append_field(head, "Date", date);
  for (const auto& [name, value] : response.headers.fields)
    if (!is_ours(name)) append_field(head, name, value);
  const bool never_has_body = response.status < 200 || response.status == 204;
  if (!never_has_body && response.status != 304)
    append_field(head, "Content-Length", std::to_string(response.body.size()));
  if (!keep_alive) append_field(head, "Connection", "close");
  return head += "\r\n";
}

std::string request_head(const HttpRequest& request, const Url& url) {
  const bool is_standard_port = url.port == (url.scheme == "https" || url.scheme == "wss" ? 443 : 80);
  const std::string host = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  const bool is_upgrade = !request.headers.get("Upgrade").empty();
  std::string head = request.method + " " + request.target + " HTTP/1.1\r\n";
  append_field(head, "Host", is_standard_port ? host : host + ":" + std::to_string(url.port));
  for (const auto& [name, value] : request.headers.fields)
    if ((!is_ours(name) || (is_upgrade && equal_ignoring_case(name, "connection"))) &&
        !equal_ignoring_case(name, "host"))
      append_field(head, name, value);
  if (wants_length(request)) append_field(head, "Content-Length", std::to_string(request.body.size()));
  return head += "\r\n";
}

std::string http_date(Instant instant) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(std::chrono::floor<std::chrono::seconds>(instant - day));
  return std::string(kDays[std::chrono::weekday(day).c_encoding()]) + ", " +
         two_digits(static_cast<unsigned>(date.day())) + " " + kMonths[static_cast<unsigned>(date.month()) - 1] + " " +
         std::to_string(static_cast<int>(date.year())) + " " + two_digits(static_cast<unsigned>(time.hours().count())) +
         ":" + two_digits(static_cast<unsigned>(time.minutes().count())) + ":" +
         two_digits(static_cast<unsigned>(time.seconds().count())) + " GMT";
}

bool is_websocket_upgrade(const HttpRequest& request) {
  const auto& headers = request.headers;
  const auto key = from_base64(headers.get("Sec-WebSocket-Key"));
  return request.method == "GET" && has_token(headers.get("Upgrade"), "websocket") &&
         has_token(headers.get("Connection"), "upgrade") && headers.get("Sec-WebSocket-Version") == "13" && key.ok() &&
         key->size() == 16;
}

std::string websocket_accept(std::string_view key) {
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::string digest(20, '\0');
  BELAY_ASSERT(EVP_Digest(text.data(), text.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                          EVP_sha1(), nullptr) == 1);
  return to_base64(digest);
}

}  // namespace belay::io
