#pragma once
// What people sign in with, made at random. Whoever calls these shows it once and keeps what the store keeps of it.
#include <string>
#include <string_view>

namespace belay::server {

inline constexpr std::string_view kAdministrator = "admin";  // made with the server; nobody else could mend it

std::string new_bearer_token();
// As AWS writes them: 20 capital letters and digits, and 40 characters.
std::string new_access_key_id();
std::string new_secret_access_key();

}  // namespace belay::server
