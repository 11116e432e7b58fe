// The border between RocksDB's encrypted file system and the cipher in Rust
// (src/projection/encrypted_env.rs declares the same structure).

#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rocksdb_env_t;

// Why a stream could not be opened.
enum kimberlite_open_result {
  KIMBERLITE_OPEN_OK = 0,
  // The prefix is too short or does not begin with the magic number.
  KIMBERLITE_OPEN_NOT_ENCRYPTED = 1,
  // The prefix was written under another key, or changed since.
  KIMBERLITE_OPEN_OTHER_KEY = 2,
};

// What the shim calls. All functions may be called from any thread at once and
// must not unwind.
struct kimberlite_cipher {
  // Passed back as the first argument; owned by the environment.
  void* state;
  // Length in bytes of the prefix that each file begins with.
  size_t prefix_len;
  // Writes a fresh prefix (new random nonce) over exactly prefix_len bytes.
  void (*new_prefix)(const void* state, uint8_t* prefix);
  // Opens the stream of the file that begins with this prefix. Sets *stream
  // only when it returns KIMBERLITE_OPEN_OK.
  int32_t (*open_stream)(const void* state, const uint8_t* prefix, size_t len,
                         void** stream);
  // Encrypts or decrypts (the same operation) len bytes that are at byte
  // `offset` of the file, prefix included. Returns 0, or 1 when the position is
  // beyond what one nonce may cover.
  int32_t (*apply)(const void* stream, uint64_t offset, uint8_t* data,
                   size_t len);
  // Frees a stream.
  void (*close_stream)(void* stream);
  // Frees the state; called once, when the last user of the environment is gone.
  void (*drop_state)(void* state);
};

// Creates an environment over the default one that encrypts all files. Takes
// ownership of cipher->state in every case. Returns null when memory is short.
struct rocksdb_env_t* kimberlite_encrypted_env(
    const struct kimberlite_cipher* cipher);

#ifdef __cplusplus
}
#endif
