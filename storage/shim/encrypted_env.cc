// A RocksDB environment whose files are encrypted whole.
//
// RocksDB brings the file system that keeps a prefix at the head of each file
// and calls a cipher stream for every read and write (rocksdb/env_encryption.h).
// What it brings no usable implementation of is the cipher: that is in Rust, and
// this file is the adapter. It overrides Encrypt and Decrypt for whole buffers,
// because the default implementation makes one virtual call for every 16 bytes.
//
// No exception may leave an overridden function: RocksDB is not exception-safe.
// The functions here allocate only with nothrow new, or small strings on the way
// to an error.

#include "encrypted_env.h"

#include <memory>
#include <new>
#include <string>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/env_encryption.h"
#include "rocksdb/slice.h"
#include "rocksdb/status.h"

// As defined in RocksDB's db/c.cc, whose functions (rocksdb_env_destroy, the
// options setters) take what is created here.
struct rocksdb_env_t {
  rocksdb::Env* rep;
  bool is_default;
};

namespace {

using rocksdb::BlockAccessCipherStream;
using rocksdb::EncryptionProvider;
using rocksdb::EnvOptions;
using rocksdb::Slice;
using rocksdb::Status;

constexpr size_t kAesBlockBytes = 16;

class CipherStream final : public BlockAccessCipherStream {
 public:
  CipherStream(const kimberlite_cipher& cipher, void* stream)
      : cipher_(cipher), stream_(stream) {}
  ~CipherStream() override { cipher_.close_stream(stream_); }
  CipherStream(const CipherStream&) = delete;
  CipherStream& operator=(const CipherStream&) = delete;

  size_t BlockSize() override { return kAesBlockBytes; }

  Status Encrypt(uint64_t offset, char* data, size_t len) override {
    return Apply(offset, data, len);
  }
  Status Decrypt(uint64_t offset, char* data, size_t len) override {
    return Apply(offset, data, len);
  }

 protected:
  // The block-wise interface is never reached: only the default Encrypt and
  // Decrypt call it.
  void AllocateScratch(std::string&) override {}
  Status EncryptBlock(uint64_t, char*, char*) override {
    return Status::NotSupported("block-wise encryption");
  }
  Status DecryptBlock(uint64_t, char*, char*) override {
    return Status::NotSupported("block-wise decryption");
  }

 private:
  Status Apply(uint64_t offset, char* data, size_t len) {
    if (len == 0) {
      return Status::OK();
    }
    if (cipher_.apply(stream_, offset, reinterpret_cast<uint8_t*>(data), len) !=
        0) {
      return Status::NotSupported("file too long for its nonce");
    }
    return Status::OK();
  }

  // A copy: the provider may be gone before the last open file is.
  const kimberlite_cipher cipher_;
  void* const stream_;
};

class CipherProvider final : public EncryptionProvider {
 public:
  explicit CipherProvider(const kimberlite_cipher& cipher) : cipher_(cipher) {}
  ~CipherProvider() override { cipher_.drop_state(cipher_.state); }
  CipherProvider(const CipherProvider&) = delete;
  CipherProvider& operator=(const CipherProvider&) = delete;

  const char* Name() const override { return "KimberliteCipher"; }
  size_t GetPrefixLength() const override { return cipher_.prefix_len; }

  Status CreateNewPrefix(const std::string&, char* prefix,
                         size_t len) const override {
    if (len != cipher_.prefix_len) {
      return Status::InvalidArgument("encryption prefix length");
    }
    cipher_.new_prefix(cipher_.state, reinterpret_cast<uint8_t*>(prefix));
    return Status::OK();
  }

  Status AddCipher(const std::string&, const char*, size_t, bool) override {
    return Status::NotSupported("one key for each environment");
  }

  Status CreateCipherStream(
      const std::string& file, const EnvOptions&, Slice& prefix,
      std::unique_ptr<BlockAccessCipherStream>* result) override {
    void* stream = nullptr;
    const int32_t opened = cipher_.open_stream(
        cipher_.state, reinterpret_cast<const uint8_t*>(prefix.data()),
        prefix.size(), &stream);
    switch (opened) {
      case KIMBERLITE_OPEN_OK:
        break;
      case KIMBERLITE_OPEN_OTHER_KEY:
        return Status::Corruption("encrypted under another key", file);
      default:
        return Status::Corruption("not an encrypted file", file);
    }
    auto* adapter = new (std::nothrow) CipherStream(cipher_, stream);
    if (adapter == nullptr) {
      cipher_.close_stream(stream);
      return Status::MemoryLimit("cipher stream");
    }
    result->reset(adapter);
    return Status::OK();
  }

 private:
  const kimberlite_cipher cipher_;
};

}  // namespace

extern "C" rocksdb_env_t* kimberlite_encrypted_env(
    const kimberlite_cipher* cipher) {
  std::shared_ptr<EncryptionProvider> provider;
  try {
    provider = std::make_shared<CipherProvider>(*cipher);
  } catch (const std::bad_alloc&) {
    cipher->drop_state(cipher->state);
    return nullptr;
  }
  try {
    // From here on the provider owns the state.
    std::unique_ptr<rocksdb::Env> env(
        rocksdb::NewEncryptedEnv(rocksdb::Env::Default(), provider));
    auto* handle = new rocksdb_env_t{env.get(), false};
    // rocksdb_env_destroy deletes `rep` because it is not the default one.
    env.release();
    return handle;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}
