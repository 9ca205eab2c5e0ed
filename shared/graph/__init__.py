"""Microsoft Graph: the only package that knows msgraph-sdk, kiota and aiohttp."""
