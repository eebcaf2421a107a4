#include "core/backup/parts.hpp"

#include <algorithm>
#include <array>

#include "base/text.hpp"
#include "base/url.hpp"

namespace belay::backup::parts {
namespace {

constexpr std::array kSecretParts{
    std::string_view("password"),      std::string_view("passwd"),     std::string_view("passphrase"),
    std::string_view("secret"),        std::string_view("token"),      std::string_view("privatekey"),
    std::string_view("sshkey"),        std::string_view("accesskey"),  std::string_view("apikey"),
    std::string_view("encryptionkey"), std::string_view("credential"), std::string_view("repositorykey")};
constexpr std::array kSecretWords{std::string_view("key"), std::string_view("keys"), std::string_view("pass"),
                                  std::string_view("pwd"), std::string_view("pw")};

bool names_a_secret(std::string_view member) {
  std::string plain;
  for (const char c : to_lower(member))
    if (c != '_' && c != '-') plain += c;
  return std::ranges::find(kSecretWords, plain) != kSecretWords.end() ||
         std::ranges::any_of(kSecretParts, [&](auto part) { return plain.find(part) != std::string::npos; });
}

// "https://user:pass@host": what stands before an @ in the authority holds a colon.
bool has_password_in_address(std::string_view text) {
  for (auto at = text.find("://"); at != std::string_view::npos; at = text.find("://", at + 3)) {
    const auto authority = text.substr(at + 3, text.substr(at + 3).find_first_of("/?# \t\n"));
    const auto host = authority.rfind('@');
    if (host != std::string_view::npos && authority.substr(0, host).find(':') != std::string_view::npos) return true;
  }
  return false;
}

// What a text gives away; "" nothing. SQL may well compare a column that is called password.
std::string_view secret_in(std::string_view text, bool is_sql) {
  if (text.find("PRIVATE KEY-----") != std::string_view::npos)
    return "holds a private key; it never stands in this file: hand it in with the vault's secrets";
  if (has_password_in_address(text))
    return "holds a password in an address; it never stands in this file: hand it in with the vault's secrets";
  const auto lower = is_sql ? std::string() : to_lower(text);
  for (const std::string_view word : {"password=", "passwd=", "pgpassword", "mysql_pwd", "passphrase="})
    if (lower.find(word) != std::string::npos)
      return "looks as if it held a password; it never stands in this file: let the program read it from a file of its "
             "own on the node, which only its user may read";
  return {};
}

void take_secrets_out(document::Reader& reader, json::Value& value, const std::string& path) {
  if (auto* list = value.if_array())
    for (std::size_t i = 0; i < list->size(); ++i) take_secrets_out(reader, (*list)[i], item_path(path, i));
  if (auto* text = value.if_string())
    if (const auto why = secret_in(*text, path.ends_with(".sql")); !why.empty()) {
      reader.refuse(path, std::string(why));
      *text = "x";
    }
  auto* object = value.if_object();
  if (!object) return;
  std::vector<std::string> secrets;
  for (auto& member : *object) {
    const std::string_view key(member.key());
    if (names_a_secret(key)) secrets.emplace_back(key);
    else take_secrets_out(reader, member.value(), member_path(path, key));
  }
  for (const auto& secret : secrets) {
    reader.refuse(member_path(path, secret),
                  "looks like a secret; secrets never stand in this file: take it out, treat it as known, and hand a "
                  "new one in with the vault's secrets");
    object->erase(secret);
  }
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "::1" || host == "127.0.0.1" || host.starts_with("127.");
}

}  // namespace

Status read_file(std::string_view content, const std::function<void(const Place&)>& read) {
  constexpr std::string_view kReason = "ValidationException";
  auto file = document::read_either(content);
  if (!file.ok()) return Error(Code::invalid_argument, file.error().message(), std::string(kReason));
  document::Reader reader(*file);
  take_secrets_out(reader, file->value, "");
  if (const auto* object = reader.object(file->value, "")) read({reader, *object, ""});
  if (!reader.ok()) return reader.error(std::string(kReason));
  return {};
}

bool is_name(std::string_view text) {
  constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return !text.empty() && text.size() <= 64 && kLetters.find(text.front()) != std::string_view::npos &&
         std::ranges::all_of(text, [&](char c) {
           return kLetters.find(c) != std::string_view::npos || c == '.' || c == '_' || c == '-';
         });
}

std::string name(const Place& place, std::string_view field, bool required) {
  const auto text = place.text(field, required, 1'000);
  if (!text.empty() && !is_name(text))
    place.reader.refuse(place.at(field), "is '" + sanitize(text, 80) +
                                             "'; a name has letters, digits, '.', '_' and '-', at most 64, and begins "
                                             "with a letter or digit");
  return text;
}

bool is_plain(std::string_view text) {
  return !text.empty() && text.front() != '-' && is_valid_utf8(text) &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

std::string path_problem(std::string_view path) {
  if (!path.starts_with('/')) return "is no absolute path";
  if (!is_plain(path)) return "has a control character in it";
  if (path.size() > 1'000) return "is longer than 1000 bytes";
  for (const auto part : split(path.substr(1), '/'))
    if (part == ".." || part == ".") return "has a '" + std::string(part) + "' in it; write where it really is";
  return {};
}

std::string path(const Place& place, std::string_view field, bool required) {
  auto text = place.text(field, required, 1'000);
  if (text.empty()) return text;
  if (const auto problem = path_problem(text); !problem.empty()) place.reader.refuse(place.at(field), problem);
  while (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

std::vector<std::string> paths(const Place& place, std::string_view field, std::size_t count_max) {
  auto texts = place.texts(field, count_max, 1'000);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto problem = path_problem(texts[i]);
    if (!problem.empty()) place.reader.refuse(item_path(place.at(field), i), problem);
    while (texts[i].size() > 1 && texts[i].ends_with('/')) texts[i].pop_back();
  }
  return texts;
}

std::uint64_t bandwidth(const Place& place, std::string_view field) {
  const auto* value = place.find(field);
  if (!value) return 0;
  if (!value->is_string()) {
    place.reader.refuse(place.at(field), "has no unit; write 20MiB for 20 MiB a second");
    return 0;
  }
  const auto text = place.text(field);
  const auto read = document::parse_size(text);
  if (!read.ok()) place.reader.refuse(place.at(field), read.error().message());
  else if (*read < 10'240)
    place.reader.refuse(place.at(field), "is " + sanitize(text, 40) + " a second; below 10KiB nothing would end");
  else return *read;
  return 0;
}

std::string address_problem(std::string_view text) {
  if (!is_plain(text) || text.find(' ') != std::string_view::npos) return "is no address";
  const auto url = parse_url(text);
  if (!url.ok()) return url.error().message();
  if (url->scheme != "https" && url->scheme != "http") return "is no https:// address";
  if (url->scheme == "http" && !is_this_machine(url->host))
    return "is plain http to another machine, where everybody on the way reads along; use https";
  return {};
}

}  // namespace belay::backup::parts
